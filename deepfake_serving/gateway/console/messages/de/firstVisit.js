/** Texte des ersten Besuchs: Beispiele und die Tour. */

export default {
  "examples.title": "Oder probieren Sie ein Beispiel",
  "examples.portrait": "Ein echtes Porträt",
  "examples.swapped": "Dasselbe, mit vertauschtem Gesicht",
  "examples.credit":
    "Eileen Collins, von der NASA (gemeinfrei). Im anderen Bild haben wir ihr Gesicht durch sein eigenes Spiegelbild ersetzt.",
  "tour.step": "Schritt {step} von {count}",
  "tour.next": "Weiter",
  "tour.done": "Fertig",
  "tour.skip": "Tour überspringen",
  "tour.choose.title": "Wählen Sie eine Datei oder ein Beispiel",
  "tour.choose.text": "Legen Sie Bilder oder ein Video irgendwo auf dieser Seite ab. Jede Datei findet ihren Bereich.",
  "tour.read.title": "Lesen Sie das Urteil mit seinem Vorbehalt",
  "tour.read.text":
    "Ein Wert ist eine Schätzung und kein Beweis. Jedes Urteil sagt, wonach nicht gesucht wurde. „Was diese Werte bedeuten“ am Ende der Seite erklärt mehr.",
  "tour.keep.title": "Sehen Sie genauer hin, und behalten Sie einen Bericht",
  "tour.keep.text":
    "Unter einem Ergebnis sehen Sie, woher sein Wert kommt, können einen Bericht drucken oder herunterladen und sagen, dass ein Urteil falsch ist.",
};
