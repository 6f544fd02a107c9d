// One file, two places: in our frame (…&hauteur=auto) it tells the height, in the page around it sets it.
(() => {
  const KIND = "1-besoin-1-savoir-faire/hauteur";
  const page = document.documentElement;
  if (page.dataset.frame === "height") {
    const tell = () => parent.postMessage({ kind: KIND, height: Math.ceil(page.getBoundingClientRect().height) }, "*");
    return new ResizeObserver(tell).observe(page);
  }
  const ours = new URL(document.currentScript.src).origin;
  addEventListener("message", ({ origin, source, data }) => {
    if (origin !== ours || data?.kind !== KIND || !(data.height > 0)) return;
    const frame = [...document.querySelectorAll("iframe")].find(({ contentWindow }) => contentWindow === source);
    if (frame) frame.style.height = `${Math.min(data.height, 10000)}px`;
  });
})();
