// The switch between light and dark. A page opened from a disk may have no memory; then it forgets.
(() => {
  "use strict";
  const root = document.documentElement, button = document.querySelector("[data-switch-theme]");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const now = () => root.dataset.theme || (dark.matches ? "dark" : "light");
  const tell = () => {
    if (button) button.textContent = now() === "dark" ? "Light colours" : "Dark colours";
    document.dispatchEvent(new CustomEvent("theme", { detail: now() }));
  };
  try { root.dataset.theme = localStorage.getItem("summer-theme") || ""; } catch { /* no memory */ }
  if (!root.dataset.theme) delete root.dataset.theme;
  dark.addEventListener("change", tell);
  if (button) button.addEventListener("click", () => {
    root.dataset.theme = now() === "dark" ? "light" : "dark";
    try { localStorage.setItem("summer-theme", root.dataset.theme); } catch { /* no memory */ }
    tell();
  });
  tell();
})();
