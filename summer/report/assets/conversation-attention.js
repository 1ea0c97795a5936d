// What models looked at while they read an utterance: a table per model, made when it is asked for.

const LOOKED = 1000, MOST_LETTERS = 40;
const NO_REASON = "Attention says where the layers of a model looked, averaged over heads and layers. It does not explain what the " +
  "model says: recurrent layers carry what was said before and after along without any.";

class Attention extends Utterances {
  attention(one) {
    const details = make("details", { class: "attention" }, make("summary", {}, "attention"));
    details.addEventListener("toggle", () => {
      if (!details.open || details.children.length > 1) return;
      const tables = this.group.models.flatMap((name, model) => (one.attends[model] ? [this.looks(one, name, one.attends[model])] : []));
      details.append(...tables, make("p", { class: "state" }, NO_REASON));
    });
    return details;
  }

  looks(one, name, [itself, mean, ...rest]) {
    const here = this.conversation.utterances.indexOf(one), rows = [[make("span", {}, "itself"), "all", itself]];
    for (let k = 0; k < rest.length; k += 3) rows.push([this.linkTo(rest[k], here), this.group.modalities[rest[k + 1]], rest[k + 2]]);
    rows.push([make("span", {}, "mean of all"), "each", mean]);
    const most = Math.max(...rows.map(([, , share]) => share), 1);
    const body = rows.map(([who, what, share]) => {
      const bar = make("span", { class: "share", "aria-hidden": "true" });
      bar.style.width = `${(100 * share) / most}%`;
      const told = make("td", {}, make("span", {}, `${((100 * share) / LOOKED).toFixed(1)} %`), make("span", { class: "track" }, bar));
      return make("tr", {}, make("th", { scope: "row" }, who), make("td", {}, what), told);
    });
    const head = ["looked at", "of it", "share"].map((title) => make("th", { scope: "col" }, title));
    return make("table", {}, make("caption", {}, `What the ${name} looked at`),
      make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...body));
  }

  // To another utterance of the conversation, which is marked while the link has the pointer or the focus.
  linkTo(place, here) {
    const other = this.conversation.utterances[place], letters = [...other.words];
    const words = letters.length > MOST_LETTERS ? `${letters.slice(0, MOST_LETTERS).join("")}…` : other.words;
    const told = `${Math.abs(place - here)} ${place < here ? "before" : "after"}, ${nameOf(this.group, [other])}: ${words || other.id}`;
    const button = make("button", { type: "button", class: "link" }, told);
    const mark = (on) => this.items.get(place)?.classList.toggle("attended", on);
    for (const [event, on] of [["mouseenter", true], ["focus", true], ["mouseleave", false], ["blur", false]]) button.addEventListener(event, () => mark(on));
    button.addEventListener("click", () => this.goTo(place));
    return button;
  }

  // A filter may hide it: then the whole conversation is shown.
  goTo(place) {
    if (!this.items.has(place)) this.showAll();
    const item = this.items.get(place);
    item.tabIndex = -1;
    item.scrollIntoView({ block: "center" });
    item.focus({ preventScroll: true });
  }
}
