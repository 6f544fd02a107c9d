// Small comforts; every page works without them.

// Communes are proposed while one types, in the browser's own list.
for (const input of document.querySelectorAll("input[data-suggest]")) {
  const list = document.createElement("datalist");
  list.id = `${input.id}-suggestions`;
  input.after(list);
  input.setAttribute("list", list.id);
  let asked = "";
  let timer;
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(propose, 150);
  });

  async function propose() {
    const text = input.value.trim();
    if (text.length < 2 || text === asked) return;
    asked = text;
    const answer = await fetch(`${input.dataset.suggest}?q=${encodeURIComponent(text)}`).catch(() => null);
    if (!answer?.ok || text !== asked) return;
    const options = (await answer.json()).map(({ label }) => new Option("", label));
    list.replaceChildren(...options);
  }
}

// A menu closes when one goes elsewhere.
const menus = document.querySelectorAll("details.menu");
document.addEventListener("click", (event) => {
  for (const menu of menus) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of menus) {
    if (!menu.open) continue;
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// A refused form is read from its list of errors.
document.querySelector(".error-summary")?.focus();
