// What all parts of the conversation view share: elements, colours, words for numbers.
// Words, names and reasons are set as text, never as markup.

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
// The speaker of some utterances, in words; guessed where that is so of all of them.
const nameOf = (group, said) =>
  `${group.speakers[said[0].speaker] || "(no name)"}${said.every((one) => one.guessed) ? " (guessed)" : ""}`;
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
