// Files are put to the address of this page's talk, one of each kind, and can be taken back.
(() => {
  "use strict";
  const under = new Map();  // what is on its way, by kind
  const place = (box) => `talks/${box.closest(".arrivals").dataset.talk}/${box.dataset.kind}`;
  const megabytes = (bytes) => `${(bytes / 1e6).toLocaleString("en", { maximumFractionDigits: 1 })} MB`;

  function tell(box, words, wrong) {
    const told = box.querySelector(".told");
    told.textContent = words;
    told.classList.toggle("wrong", Boolean(wrong));
  }

  function show(box, { share, kept }) {
    const bar = box.querySelector("progress");
    bar.hidden = share === undefined;
    if (share !== undefined) bar.value = share;
    box.querySelector(".take-back").hidden = !kept && share === undefined;
  }

  function give(box, file) {
    const most = Number(box.dataset.mostBytes);
    under.get(box.dataset.kind)?.abort();
    if (file.size > most) {
      tell(box, `${file.name} has ${megabytes(file.size)}, and this server takes at most ${megabytes(most)}; cut it, or save it smaller`, true);
      show(box, {});
      return;
    }
    const way = new XMLHttpRequest();
    under.set(box.dataset.kind, way);
    way.open("PUT", `${place(box)}?name=${encodeURIComponent(file.name)}`);
    way.upload.addEventListener("progress", (event) => show(box, { share: event.loaded / (event.total || 1) }));
    way.addEventListener("load", () => {
      let said = {};
      try { said = JSON.parse(way.responseText); } catch { said = { error: "the server gave no answer that makes sense; try again" }; }
      const wrong = said.error || (way.status === 200 ? "" : "the server did not take it; try again");
      show(box, { kept: !wrong });
      tell(box, wrong || `${said.name} is there (${said.size})`, wrong);
    });
    way.addEventListener("error", () => { show(box, {}); tell(box, `${file.name} did not arrive; try again`, true); });
    way.addEventListener("loadend", () => { if (under.get(box.dataset.kind) === way) under.delete(box.dataset.kind); });
    tell(box, `${file.name} is on its way`);
    show(box, { share: 0 });
    way.send(file);
  }

  function takeBack(box) {
    under.get(box.dataset.kind)?.abort();
    box.querySelector("input").value = "";
    show(box, {});
    fetch(place(box), { method: "DELETE" })
      .then((answer) => answer.json())
      .then((said) => tell(box, said.error || "taken back", said.error))
      .catch(() => tell(box, "the server cannot be reached; it removes the file by itself", true));
    box.querySelector("input").focus();
  }

  const boxOf = (event) => event.target instanceof Element && event.target.closest(".arrival");
  document.addEventListener("change", (event) => {
    const box = boxOf(event);
    if (box && event.target.type === "file" && event.target.files.length) give(box, event.target.files[0]);
  });
  document.addEventListener("click", (event) => {
    if (event.target instanceof Element && event.target.matches(".take-back")) takeBack(boxOf(event));
  });
  for (const [name, on] of [["dragenter", true], ["dragover", true], ["dragleave", false], ["drop", false]]) {
    document.addEventListener(name, (event) => {
      const box = boxOf(event);
      if (!box) return;
      event.preventDefault();
      box.classList.toggle("awaits", on);
      if (name === "drop" && event.dataTransfer.files.length) give(box, event.dataTransfer.files[0]);
    });
  }
  // What stands in the status is told to those who do not see it; Gradio draws its place when it likes.
  const watch = new MutationObserver(() => {
    const status = document.getElementById("status");
    if (!status) return;
    status.setAttribute("aria-live", "polite");
    watch.disconnect();
  });
  watch.observe(document.documentElement, { childList: true, subtree: true });
  // A file that misses its place must not replace the page.
  for (const name of ["dragover", "drop"]) addEventListener(name, (event) => event.preventDefault());
})();
