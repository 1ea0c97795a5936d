// One conversation: its head, its line of time, its film, its utterances.

class Conversation extends Attention {
  constructor(view, { conversation, places }) {
    super();
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
      this.whole = make("button", { type: "button" }, `Show the whole conversation (${hidden} more)`);
      this.whole.addEventListener("click", () => { this.showAll(); this.article.focus(); });
      this.article.firstChild.append(this.whole);
    }
  }

  showAll() {
    this.show([...this.conversation.utterances.keys()]);
    this.whole.remove();
  }

  counts() {
    const all = this.conversation.utterances, speakers = new Set(all.map((one) => one.speaker)).size;
    const judged = all.filter((one) => one.truth !== undefined && one.says && one.says[this.model]);
    const wrong = judged.filter((one) => one.says[this.model][0] !== one.truth).length;
    return [plural(all.length, "utterance"), plural(speakers, "speaker"), ...(judged.length ? [`${wrong} wrong`] : [])].join(", ");
  }

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
    const rows = speakers.flatMap((speaker) => [make("span", { class: "name" }, nameOf(this.group, timed.filter((one) => one.speaker === speaker))), lanes.get(speaker)]);
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
    this.subtitle();
    return make("div", { class: "watch" }, this.film, this.now, make("label", { class: "counts" }, follow, " keep what is said in sight"));
  }

  // Words and emotions as a WebVTT track, which the player shows or hides. A cue is markup: words are escaped.
  subtitle() {
    let track = this.film.textTracks[0];
    if (!track) {
      track = this.film.addTextTrack("subtitles", "Words and emotions");
      track.mode = "showing";
    }
    const mode = track.mode, escaped = (words) => words.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
    track.mode = "hidden";  // of one that is switched off the cues are out of reach
    for (const cue of [...track.cues]) track.removeCue(cue);
    for (const one of this.timed()) {
      const speaker = this.group.speakers[one.speaker], said = one.says && one.says[this.model];
      const told = [`${speaker ? `${speaker}: ` : ""}${one.words}`, ...(said ? [`[${this.group.labels[said[0]]} ${percent(said[said[0] + 1])}]`] : [])];
      track.addCue(new VTTCue(one.from, one.to, escaped(told.join("\n"))));
    }
    track.mode = mode;
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
    this.now.textContent = one ? `${nameOf(this.group, [one])}${said ? `: ${this.group.labels[said[0]]} ${percent(said[said[0] + 1])}` : ""}` : "";
  }
}

for (const home of document.querySelectorAll(".conversations:not([data-drawn])")) {
  home.dataset.drawn = "";
  new View(home);
}
