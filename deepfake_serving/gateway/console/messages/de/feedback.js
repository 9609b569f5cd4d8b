/** Texts of feedback on verdicts. */

export default {
  "feedback.wrong": "Das stimmt nicht",
  "feedback.name": "Das stimmt nicht: {name}",
  "feedback.change": "Angabe ändern",
  "feedback.change-name": "Angabe ändern: {name}",
  "feedback.title": "{name}: Was ist es wirklich?",
  "feedback.question": "Es ist",
  "feedback.label.real": "echt",
  "feedback.label.fake": "gefälscht",
  "feedback.note": "Woher wissen Sie das? (freiwillig)",
  "feedback.use":
    "Ihre Angabe und Ihre Notiz werden bei dieser Analyse aufbewahrt. Die Betreiber des Dienstes sehen sie und können das Modell damit bewerten.",
  "feedback.send": "Senden",
  "feedback.given.real": "Sie haben dies als echt gekennzeichnet. Danke.",
  "feedback.given.fake": "Sie haben dies als gefälscht gekennzeichnet. Danke.",
  "feedback.forgotten":
    "Der Dienst hat diese Analyse nicht mehr. Analysieren Sie die Datei noch einmal und senden Sie dann Ihre Angabe.",
};
