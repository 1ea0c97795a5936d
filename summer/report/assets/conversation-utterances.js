// The utterances of one conversation, each as a list item.

class Utterances {
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
    const who = make("div", { class: "who" }, this.time(one),
      make("strong", {}, nameOf(this.group, [one])));
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
    if (one.attends) item.append(this.attention(one));
    for (const state of one.states || []) item.append(this.state(state));
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
}
