/** Texts of feedback on verdicts. */

export default {
  "feedback.wrong": "This is wrong",
  "feedback.name": "This is wrong: {name}",
  "feedback.change": "Change your label",
  "feedback.change-name": "Change your label: {name}",
  "feedback.title": "{name}: what is it really?",
  "feedback.question": "It is",
  "feedback.label.real": "real",
  "feedback.label.fake": "fake",
  "feedback.note": "How do you know? (optional)",
  "feedback.use":
    "Your label and your note are kept with this analysis. The operators of the service see them, and can evaluate the model with them.",
  "feedback.send": "Send",
  "feedback.given.real": "You labelled this as real. Thank you.",
  "feedback.given.fake": "You labelled this as fake. Thank you.",
  "feedback.forgotten": "The service no longer has this analysis. Analyse the file again, and send your label then.",
};
