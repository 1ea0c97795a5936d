// One `.conversations` of a page: its filters, and the conversations that they leave, ten at a time.
// What the data hold, summer/report/conversation/packing.py says.

class View {
  constructor(home) {
    this.home = home;
    this.form = home.querySelector(".filters");
    this.found = home.querySelector(".found");
    this.drawn = home.querySelector(".drawn");
    this.scripts = [...home.querySelectorAll("script[data-group]")];
    this.films = new Map();
    this.asked = { group: 0, model: 0, verdict: "", emotion: "", speaker: "", most: MOST_PERCENT, words: "" };
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.open(0);
  }

  // The data of a group are read when it is first asked for.
  open(place) {
    this.group = this.scripts[place].read ||= JSON.parse(this.scripts[place].textContent);
    const last = Math.max(this.group.models.length - 1, 0);
    this.asked = { group: place, model: last, verdict: "", emotion: "", speaker: "", most: MOST_PERCENT, words: "" };
    this.drawFilters();
    this.search();
  }

  drawFilters() {
    const { models, labels, conversations } = this.group, all = conversations.flatMap((one) => one.utterances);
    const truths = all.some((one) => one.truth !== undefined), says = models.length > 0;
    const verdicts = [
      ["", "all"], ...(truths && says ? [["wrong", "wrong"], ["right", "right"]] : []),
      ...(models.length > 1 ? [["differ", "the models differ"]] : []),
      ...(all.some((one) => one.states) ? [["states", "a modality is missing or remarked on"]] : []),
    ];
    const spoken = new Map();
    for (const one of all) spoken.has(one.speaker) ? spoken.get(one.speaker).push(one) : spoken.set(one.speaker, [one]);
    const named = [...spoken].sort((a, b) => b[1].length - a[1].length).map(([place, said]) => [String(place), nameOf(this.group, said)]);
    const parts = [];
    if (this.scripts.length > 1) {
      const told = (script) => `${script.dataset.group}: ${plural(Number(script.dataset.utterances), "utterance")}`;
      parts.push(this.choice("group", "Show", this.scripts.map((script, place) => [String(place), told(script)])));
    }
    if (models.length > 1) parts.push(this.choice("model", "Judge by", models.map((name, place) => [String(place), name])));
    if (verdicts.length > 1) parts.push(this.choice("verdict", "Only", verdicts));
    if (truths || says) parts.push(this.choice("emotion", "Emotion", [["", "all"], ...labels.map((one, place) => [String(place), one])]));
    if (named.length > 1) parts.push(this.choice("speaker", "Speaker", [["", "all"], ...named]));
    if (says) parts.push(this.slider());
    if (all.length > 1) {
      const words = make("input", { type: "search", name: "words", value: this.asked.words });
      words.addEventListener("input", () => this.ask("words", words.value));
      parts.push(make("label", {}, "Words", words));
    }
    this.form.replaceChildren(...parts);
    this.form.hidden = parts.length === 0;
  }

  choice(name, title, options) {
    const select = make("select", { name }, ...options.map(([value, text]) => make("option", { value }, text)));
    select.value = String(this.asked[name]);
    select.addEventListener("change", () => {
      const numeric = name === "group" || name === "model";
      if (name === "group") { this.open(Number(select.value)); this.form.querySelector("[name=group]").focus(); }
      else this.ask(name, numeric ? Number(select.value) : select.value);
    });
    return make("label", {}, title, select);
  }

  slider() {
    const range = make("input", { type: "range", name: "most", min: 0, max: MOST_PERCENT, step: 5, value: this.asked.most });
    const told = make("span", {}, `${this.asked.most} %`);  // an output would take the label from the slider
    range.addEventListener("input", () => {
      told.textContent = `${range.value} %`;
      this.ask("most", Number(range.value));
    });
    return make("label", {}, make("span", {}, "Confidence at most ", told), range);
  }

  ask(name, value) {
    this.asked[name] = value;
    this.search();
  }

  matches(one) {
    const { model, verdict, emotion, speaker, most, words } = this.asked, said = one.says && one.says[model];
    if (verdict === "wrong" && !(said && one.truth !== undefined && said[0] !== one.truth)) return false;
    if (verdict === "right" && !(said && said[0] === one.truth)) return false;
    if (verdict === "differ" && !(one.says && new Set(one.says.filter(Boolean).map((each) => each[0])).size > 1)) return false;
    if (verdict === "states" && !one.states) return false;
    if (emotion !== "" && Number(emotion) !== one.truth && !(said && said[0] === Number(emotion))) return false;
    if (speaker !== "" && one.speaker !== Number(speaker)) return false;
    if (most < MOST_PERCENT && !(said && Math.max(...said.slice(1)) <= (most * PROBABILITY) / 100)) return false;
    return !words || one.words.toLowerCase().includes(words.toLowerCase());
  }

  search() {
    const { conversations } = this.group;
    this.matching = conversations
      .map((conversation) => ({ conversation, places: [...conversation.utterances.keys()].filter((k) => this.matches(conversation.utterances[k])) }))
      .filter(({ places }) => places.length);
    const utterances = this.matching.reduce((sum, { places }) => sum + places.length, 0);
    const all = conversations.reduce((sum, one) => sum + one.utterances.length, 0);
    this.found.textContent = utterances
      ? `${utterances.toLocaleString("en")} of ${plural(all, "utterance")} in ${plural(this.matching.length, "conversation")}`
      : "No utterance is like that.";
    this.drawn.replaceChildren();
    this.more();
  }

  more() {
    const before = this.drawn.querySelectorAll("article").length;
    this.drawn.querySelector(".more")?.remove();
    const next = this.matching.slice(before, before + AT_ONCE).map((each) => new Conversation(this, each).article);
    this.drawn.append(...next);
    const left = this.matching.length - before - next.length;
    if (left > 0) {
      const button = make("button", { type: "button", class: "more" }, `Show more (${left.toLocaleString("en")} left)`);
      button.addEventListener("click", () => { this.more(); this.drawn.children[before + AT_ONCE].focus(); });
      this.drawn.append(button);
    }
  }
}
