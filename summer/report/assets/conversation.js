// Draws every `.conversations` of a page from the JSON in it (summer/report/conversation/packing.py says what it holds).
// Words, names and reasons are set as text, never as markup.
(() => {
  "use strict";
  const AT_ONCE = 10, LONG = 100, PROBABILITY = 10000, MOST_PERCENT = 100;
  const COLOURS = {
    neutral: "#8b9099", joy: "#e3aa00", happy: "#e3aa00", happiness: "#e3aa00", excited: "#f07f2e", surprise: "#c45ab3",
    anger: "#d1495b", angry: "#d1495b", sadness: "#3a7bd5", sad: "#3a7bd5", fear: "#6b4fbb", disgust: "#4f8a3c",
    frustrated: "#9a5b34",
  };
  const SPARE = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#7a7a00", "#5d3a9b"];

  function make(tag, attributes, ...inside) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === true) element.setAttribute(name, "");
      else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
    }
    element.append(...inside.filter((one) => one !== null && one !== undefined));
    return element;
  }

  function drawing(tag, attributes, ...inside) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...inside);
    return element;
  }

  const colourOf = (label, place) => COLOURS[label.toLowerCase()] || SPARE[place % SPARE.length];
  const percent = (share) => `${Math.round((100 * share) / PROBABILITY)} %`;
  const plural = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
  const swatch = (group, label) => {
    const square = make("span", { class: "swatch", "aria-hidden": "true" });
    square.style.background = colourOf(group.labels[label], label);
    return square;
  };
  const clock = (seconds) => {
    const whole = Math.floor(seconds), minutes = Math.floor(whole / 60) % 60, hours = Math.floor(whole / 3600);
    const two = (number) => String(number).padStart(2, "0");
    return `${hours ? `${hours}:${two(minutes)}` : minutes}:${two(whole % 60)}`;
  };

  // ---- one `.conversations` -------------------------------------------------------------------------------------

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
      const { models, labels, speakers, conversations } = this.group, all = conversations.flatMap((one) => one.utterances);
      const truths = all.some((one) => one.truth !== undefined), says = models.length > 0;
      const verdicts = [
        ["", "all"], ...(truths && says ? [["wrong", "wrong"], ["right", "right"]] : []),
        ...(models.length > 1 ? [["differ", "the models differ"]] : []),
        ...(all.some((one) => one.states) ? [["states", "a modality is missing or remarked on"]] : []),
      ];
      const spoken = new Map();
      for (const one of all) spoken.set(one.speaker, (spoken.get(one.speaker) || 0) + 1);
      const named = [...spoken].sort((a, b) => b[1] - a[1]).map(([place]) => [String(place), speakers[place] || "(no name)"]);
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

  // ---- one conversation -----------------------------------------------------------------------------------------

  class Conversation {
    constructor(view, { conversation, places }) {
      Object.assign(this, { view, conversation, group: view.group, model: view.asked.model, items: new Map() });
      this.list = make("ol", {});
      const level = view.home.dataset.level;
      this.article = make("article", { tabindex: -1, "aria-label": `Conversation ${conversation.name}` },
        make("div", { class: "head" }, make(`h${level}`, {}, conversation.name), make("span", { class: "counts" }, this.counts())));
      if (conversation.film) {
        this.article.classList.add("played");
        this.article.append(this.player());
        this.article.lastChild.append(...this.timeline());
      } else this.article.append(...this.timeline());
      this.article.append(this.list);
      this.show(places);
      const hidden = conversation.utterances.length - places.length;
      if (hidden) {
        const whole = make("button", { type: "button" }, `Show the whole conversation (${hidden} more)`);
        whole.addEventListener("click", () => { this.show([...conversation.utterances.keys()]); whole.remove(); this.article.focus(); });
        this.article.firstChild.append(whole);
      }
    }

    counts() {
      const all = this.conversation.utterances, speakers = new Set(all.map((one) => one.speaker)).size;
      const judged = all.filter((one) => one.truth !== undefined && one.says && one.says[this.model]);
      const wrong = judged.filter((one) => one.says[this.model][0] !== one.truth).length;
      return [plural(all.length, "utterance"), plural(speakers, "speaker"), ...(judged.length ? [`${wrong} wrong`] : [])].join(", ");
    }

    // Of a long conversation only words and names are drawn at once, all else when the reader comes near.
    show(places) {
      this.items = new Map(places.map((place) => [place, this.utterance(place)]));
      this.list.replaceChildren(...this.items.values());
      if (places.length <= LONG) {
        for (const [place, item] of this.items) this.fill(item, this.conversation.utterances[place]);
        return;
      }
      const placeOf = new Map([...this.items].map(([place, item]) => [item, place]));
      const near = new IntersectionObserver((entries) => {
        for (const { target, isIntersecting } of entries) {
          if (!isIntersecting) continue;
          near.unobserve(target);
          this.fill(target, this.conversation.utterances[placeOf.get(target)]);
        }
      }, { rootMargin: "800px" });
      for (const item of this.items.values()) near.observe(item);
    }

    utterance(place) {
      const one = this.conversation.utterances[place], said = one.says && one.says[this.model];
      const verdict = said && one.truth !== undefined ? (said[0] === one.truth ? "right" : "wrong") : "";
      const item = make("li", { class: verdict || null, "data-id": one.id });
      const guessed = (this.conversation.guessed || []).includes(one.speaker) ? " (guessed)" : "";
      const who = make("div", { class: "who" }, this.time(one),
        make("strong", {}, `${this.group.speakers[one.speaker] || "(no name)"}${guessed}`));
      if (one.truth !== undefined) who.append(make("span", {}, "truth: ", swatch(this.group, one.truth), this.group.labels[one.truth]));
      if (verdict) who.append(make("span", { class: "verdict" }, `${verdict === "right" ? "✓" : "✗"} ${verdict}`));
      who.append(make("span", {}, one.id));
      item.append(who);
      if (one.words) item.append(make("p", { class: "words" }, one.words));
      if (this.film && one.from !== undefined) {
        item.classList.add("seekable");
        item.addEventListener("click", (event) => { if (!event.target.closest("button, summary, details, a")) this.seek(one.from); });
      }
      return item;
    }

    fill(item, one) {
      if (one.faces || one.peaks) item.append(make("div", { class: "media" }, this.faces(one), this.sound(one)));
      if (one.says) item.append(this.says(one), this.shares(one));
      for (const state of one.states || []) item.append(this.state(state));
      if (one.attends) item.append(this.attends(one));
    }

    time(one) {
      if (one.from === undefined) return null;
      const told = `${clock(one.from)}–${clock(one.to)}`;
      if (!this.film) return make("span", { class: "time" }, told);
      const button = make("button", { type: "button", class: "time", "aria-label": `Play from ${clock(one.from)}` }, told);
      button.addEventListener("click", () => this.seek(one.from));
      return button;
    }

    says(one) {
      const lines = one.says.flatMap((said, model) => {
        if (!said) return [];
        const [guess, ...shares] = said, bar = make("span", { class: "bar", "aria-hidden": "true" });
        shares.forEach((share, label) => {
          const part = make("span", { title: `${this.group.labels[label]} ${percent(share)}` });
          part.style.flex = `${share} 0 0`;
          part.style.background = colourOf(this.group.labels[label], label);
          bar.append(part);
        });
        const told = make("span", {}, swatch(this.group, guess), `${this.group.labels[guess]} ${percent(shares[guess])}`);
        return [make("div", {}, make("span", {}, this.group.models[model]), told, bar)];
      });
      return make("div", { class: "says" }, ...lines);
    }

    // The table is made when it is opened: thousands of closed ones cost nothing.
    shares(one) {
      const details = make("details", {}, make("summary", {}, "probabilities"));
      details.addEventListener("toggle", () => {
        if (!details.open || details.children.length > 1) return;
        const models = this.group.models.flatMap((name, place) => (one.says[place] ? [[name, one.says[place]]] : []));
        const head = make("tr", {}, make("th", { scope: "col" }, "emotion"), ...models.map(([name]) => make("th", { scope: "col" }, name)));
        const rows = this.group.labels.map((label, place) =>
          make("tr", {}, make("th", { scope: "row" }, swatch(this.group, place), label),
            ...models.map(([, said]) => make("td", {}, `${((100 * said[place + 1]) / PROBABILITY).toFixed(1)} %`))));
        const table = make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows));
        details.append(make("div", { class: "shares", tabindex: 0, role: "group", "aria-label": `Probabilities of ${one.id}` }, table));
      });
      return details;
    }

    state(place) {
      const [modality, status, reason] = this.group.states[place];
      const told = status === "ok" ? `${modality}: ` : `${modality}: ${status}${reason ? ": " : ""}`;
      return make("p", { class: "state" }, make("b", {}, told), reason);
    }

    attends(one) {
      const line = make("p", { class: "state" }, make("b", {}, "attended to: "));
      for (const [place, weight] of one.attends) {
        const other = this.conversation.utterances[place];
        const button = make("button", { type: "button", class: "link", title: other.words }, `${other.id} (${(weight / 1000).toFixed(2)})`);
        const mark = (on) => this.items.get(place)?.classList.toggle("attended", on);
        for (const [event, on] of [["mouseenter", true], ["focus", true], ["mouseleave", false], ["blur", false]]) button.addEventListener(event, () => mark(on));
        button.addEventListener("click", () => this.items.get(place)?.scrollIntoView({ block: "center" }));
        line.append(button);
      }
      return line;
    }

    faces(one) {
      return one.faces ? make("img", { class: "faces", src: one.faces, alt: `Faces of ${this.group.speakers[one.speaker] || "the speaker"}` }) : null;
    }

    sound({ peaks }) {
      if (!peaks) return null;
      const middle = 14, step = 100 / peaks.length;
      const lines = peaks.map((peak, k) => `M${((k + 0.5) * step).toFixed(2)} ${(middle - (peak * middle) / 100).toFixed(1)}V${(middle + (peak * middle) / 100 + 0.5).toFixed(1)}`);
      const path = drawing("path", { d: lines.join(""), stroke: "currentColor", "stroke-width": 1.2, "vector-effect": "non-scaling-stroke" });
      return drawing("svg", { class: "sound", viewBox: "0 0 100 28", preserveAspectRatio: "none", role: "img", "aria-label": "Sound of the utterance" }, path);
    }

    // ---- along the clock ----------------------------------------------------------------------------------------

    timed() {
      return this.conversation.utterances.filter((one) => one.from !== undefined);
    }

    // A lane per speaker; nothing where there are no times, or where they leap so far that blocks would be hairlines.
    timeline() {
      const timed = this.timed(), start = Math.min(...timed.map((one) => one.from)), end = Math.max(...timed.map((one) => one.to));
      const spoken = timed.reduce((sum, one) => sum + one.to - one.from, 0);
      if (timed.length < 2 || end - start > 20 * spoken) return [];
      const speakers = [...new Set(timed.map((one) => one.speaker))], at = (seconds) => (100 * (seconds - start)) / (end - start);
      const lanes = new Map(speakers.map((speaker) => [speaker, make("div", { class: "lane" })]));
      this.conversation.utterances.forEach((one, place) => {
        if (one.from !== undefined) lanes.get(one.speaker).append(this.block(one, place, at));
      });
      const rows = speakers.flatMap((speaker) => [make("span", { class: "name" }, this.group.speakers[speaker] || "(no name)"), lanes.get(speaker)]);
      const ends = make("div", { class: "ends" }, make("span", {}, clock(start)), make("span", {}, clock(end)));
      const told = `Timeline: ${plural(speakers.length, "speaker")} from ${clock(start)} to ${clock(end)}`;
      if (this.film) {
        const needle = make("div", { class: "needle" });
        needle.hidden = true;
        this.needleAt = (seconds) => { needle.hidden = seconds < start || seconds > end; needle.style.left = `${at(seconds)}%`; };
        ends.append(needle);
      }
      return [make("div", { class: "timeline", role: "img", "aria-label": told }, ...rows, make("span", {}), ends)];
    }

    block(one, place, at) {
      const said = one.says && one.says[this.model], label = said ? said[0] : one.truth;
      const title = `${clock(one.from)} ${label === undefined ? "" : this.group.labels[label]}: ${one.words}`;
      const block = make("span", { class: "block", title });
      block.style.left = `${at(one.from)}%`;
      block.style.width = `${at(one.to) - at(one.from)}%`;
      block.style.background = label === undefined ? "#8b9099" : colourOf(this.group.labels[label], label);
      block.addEventListener("click", () => { this.seek(one.from); this.items.get(place)?.scrollIntoView({ block: "center" }); });
      return block;
    }

    // A film outlives the filters: it is the same one that is shown again, at the same place.
    player() {
      const { conversation, view } = this, name = decodeURIComponent(conversation.film);
      this.film = view.films.get(conversation) || make("video", { controls: true, preload: "metadata", src: conversation.film, "aria-label": `Film of ${conversation.name}` });
      view.films.set(conversation, this.film);
      this.now = make("p", { class: "now" });
      const follow = make("input", { type: "checkbox", checked: true });
      const tell = () => { this.now.textContent = `${name} cannot be played: it is not beside this page, or of a kind that this browser does not know.`; };
      this.film.ontimeupdate = () => this.follow(this.film.currentTime, follow.checked && !this.film.paused);
      this.film.onerror = tell;
      if (this.film.error) tell();
      return make("div", { class: "watch" }, this.film, this.now, make("label", { class: "counts" }, follow, " keep what is said in sight"));
    }

    seek(seconds) {
      if (!this.film) return;
      this.film.currentTime = seconds;
      this.film.play().catch(() => {});  // a browser may want a click on the player first
      this.follow(seconds, false);
    }

    follow(seconds, scroll) {
      this.needleAt?.(seconds);
      const place = this.conversation.utterances.findIndex((one) => one.from <= seconds && seconds < one.to);
      if (place === this.current) return;
      this.items.get(this.current)?.removeAttribute("aria-current");
      this.current = place;
      const one = this.conversation.utterances[place], item = this.items.get(place);
      item?.setAttribute("aria-current", "true");
      if (scroll) item?.scrollIntoView({ block: "nearest" });
      const said = one && one.says && one.says[this.model];
      this.now.textContent = one ? `${this.group.speakers[one.speaker] || "(no name)"}${said ? `: ${this.group.labels[said[0]]} ${percent(said[said[0] + 1])}` : ""}` : "";
    }
  }

  for (const home of document.querySelectorAll(".conversations:not([data-drawn])")) {
    home.dataset.drawn = "";
    new View(home);
  }
})();
