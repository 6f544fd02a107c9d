// The moderation desk by keyboard, its count kept fresh, reasons filled from a template. All works without.

const OFF = "desk-keys-off";
const items = [...document.querySelectorAll("[data-desk-item]")];
const legends = document.querySelectorAll("[data-desk-keys]");
let keysAreOn = !localStorage.getItem(OFF);

for (const legend of legends) legend.hidden = false;
for (const button of document.querySelectorAll("[data-desk-toggle]")) {
  button.addEventListener("click", () => {
    keysAreOn = !keysAreOn;
    if (keysAreOn) localStorage.removeItem(OFF);
    else localStorage.setItem(OFF, "1");
    sayWhetherKeysAreOn();
  });
}
sayWhetherKeysAreOn();

document.addEventListener("keydown", (event) => {
  const isPlain = !(event.ctrlKey || event.metaKey || event.altKey || event.repeat);
  if (!keysAreOn || !isPlain || !/^[jkamre]$/.test(event.key) || isTyping(event.target)) return;
  if (move(event.key) || press(event.key)) event.preventDefault();
});

function sayWhetherKeysAreOn() {
  for (const button of document.querySelectorAll("[data-desk-toggle]")) {
    button.textContent = keysAreOn ? "Désactiver ces touches" : "Activer ces touches";
  }
}

function isTyping(target) {
  return Boolean(target.closest?.("input:not([type=checkbox]), textarea, select"));
}

function current() {
  return document.activeElement.closest("[data-desk-item]");
}

// In a list: the next or the previous one; past the last, the next page.
function move(key) {
  if (!items.length || (key !== "j" && key !== "k")) return false;
  const at = items.indexOf(current());
  const wanted = key === "j" ? at + 1 : at - 1;
  if (items[wanted]) {
    items[wanted].querySelector("h2 a").focus();
    items[wanted].scrollIntoView({ block: "nearest" });
  } else {
    document.querySelector(`.pagination [rel=${key === "j" ? "next" : "prev"}]`)?.click();
  }
  return true;
}

// What has the key: a button or a link of the listing in hand; or a decision whose form opens.
function press(key) {
  const around = items.length ? current() : document;
  const target = around?.querySelector(`[data-key="${key}"]`);
  if (target) {
    target.click();
    return true;
  }
  const opened = around?.querySelector(`[data-opens="${key}"]`)?.closest("details");
  if (!opened) return false;
  opened.open = true;
  opened.querySelector("select, textarea").focus();
  return true;
}

// A page left open tells how many wait now.
const count = document.querySelector("[data-desk-count]");
if (count) setInterval(refresh, 30_000);

async function refresh() {
  if (document.hidden) return;
  const answer = await fetch(count.dataset.url).catch(() => null);
  if (!answer?.ok || answer.redirected) return;
  const { waiting } = await answer.json();
  const said = waiting < 2 ? count.dataset.one : count.dataset.several;
  count.textContent = `${waiting.toLocaleString("fr-FR")} ${said}`;
  document.querySelector("[data-desk-news]").hidden = String(waiting) === count.dataset.deskCount;
}

// All boxes of the page at once.
const all = document.querySelector("[data-desk-all]");
if (all) {
  all.closest(".choice").hidden = false;
  all.addEventListener("change", () => {
    for (const box of document.querySelectorAll("input[name=annonce]")) box.checked = all.checked;
  });
}

// A template fills what is empty, or what another template had filled.
for (const select of document.querySelectorAll("select[data-template]")) {
  const filled = new Map();
  select.addEventListener("change", () => {
    const told = select.selectedOptions[0].dataset;
    const values = { motif: told.ground, faits: told.facts, explication: told.explanation };
    for (const [name, value] of Object.entries(values)) {
      const field = select.form.elements[name];
      if (field.value && field.value !== filled.get(name)) continue;
      field.value = value ?? "";
      filled.set(name, field.value);
    }
  });
}
