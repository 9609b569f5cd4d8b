/** Texts of heatmaps and of the origin of files. */

export default {
  "evidence.show": "Heatmaps und Herkunft der Datei zeigen",
  "evidence.hint": "Das Bild wird noch einmal analysiert.",
  "timing.explain": "Heatmaps zeichnen",
  "evidence.loading": "Heatmaps und Herkunft der Datei werden geladen",

  "heatmap.heading": "Woher die Werte kommen",
  "heatmap.meaning":
    "Jedes Gesicht, wie das Modell es bekam, und daneben die Stellen, die seinen Wert erhöhten oder senkten. Eine Heatmap zeigt, worauf das Modell reagierte, nicht, was manipuliert wurde.",
  "heatmap.meaningOfRollout":
    "Jedes Gesicht, wie das Modell es bekam, und daneben in Violett die Stellen, die seine Aufmerksamkeit am meisten erreichten (Attention Rollout). Dorthin sah das Modell, unabhängig vom Ergebnis: Die Heatmap zeigt nicht, was den Wert erhöhte oder senkte.",
  "heatmap.member": "Heatmaps des Mitglieds",
  "heatmap.opacity": "Deckkraft der Heatmaps",
  "heatmap.raises": "+ erhöht den Wert",
  "heatmap.lowers": "− senkt den Wert",
  "heatmap.crop": "{face}, wie das Modell es bekam",
  "heatmap.alt": "Heatmap: {face}. {text}",
  "heatmap.strongest": "Am stärksten: {value} {place}.",
  "heatmap.scale": "Volle Farbe ab {scale} (Log-Odds).",
  "heatmap.place.first-first": "oben links",
  "heatmap.place.first-middle": "oben",
  "heatmap.place.first-last": "oben rechts",
  "heatmap.place.middle-first": "links",
  "heatmap.place.middle-middle": "in der Mitte",
  "heatmap.place.middle-last": "rechts",
  "heatmap.place.last-first": "unten links",
  "heatmap.place.last-middle": "unten",
  "heatmap.place.last-last": "unten rechts",

  "origin.heading": "Herkunft der Datei",
  "origin.credentials.trusted":
    "Content Credentials: seit der Signatur unverändert, von einem Unterzeichner, dem dieser Dienst vertraut.",
  "origin.credentials.valid":
    "Content Credentials: seit der Signatur unverändert, von einem Unterzeichner, den dieser Dienst nicht kennt.",
  "origin.credentials.invalid":
    "Content Credentials, die nicht stimmen: Die Datei wurde verändert, oder sie sind beschädigt.",
  "origin.credentials.none":
    "Keine Content Credentials. Die meisten Dateien haben keine; über das Bild sagt das nichts.",
  "origin.credentials.unread": "Content Credentials waren hier nicht lesbar.",
  "origin.contradiction.invalid_credentials":
    "Die Datei wurde nach der Signatur verändert, oder ihre Signatur ist falsch.",
  "origin.contradiction.source_types_differ":
    "Signierte Angaben und unsignierte Metadaten nennen verschiedene Quellen dieses Bildes.",
  "origin.contradiction.camera_of_generated_image":
    "Die Metadaten nennen eine Kamera, aber auch eine Quelle ohne Kamera.",
  "origin.signer": "Signiert von",
  "origin.signed-at": "Signiert",
  "origin.generator": "Erstellt mit",
  "origin.ingredients": "Erstellt aus",
  "origin.failures": "Fehlgeschlagene Prüfungen",
  "origin.software": "Software (unsigniert)",
  "origin.camera": "Kamera (unsigniert)",
  "origin.taken-at": "Aufgenommen (unsigniert)",
  "origin.source-type": "Quelle (unsigniert)",
  "origin.steps": "Signierte Schritte",
  "origin.caveat":
    "Unsignierte Metadaten kann jeder schreiben oder entfernen, und Content Credentials sagen, wer signierte, nicht, was wahr ist. Nichts davon ändert den Wert.",
  "origin.action.c2pa.created": "Erstellt",
  "origin.action.c2pa.opened": "Geöffnet",
  "origin.action.c2pa.edited": "Bearbeitet",
  "origin.action.c2pa.placed": "Andere Datei eingefügt",
  "origin.action.c2pa.cropped": "Zugeschnitten",
  "origin.action.c2pa.resized": "Größe geändert",
  "origin.action.c2pa.color_adjustments": "Farben angepasst",
  "origin.action.c2pa.converted": "Umgewandelt",
  "origin.action.c2pa.published": "Veröffentlicht",
  "origin.type.digitalCapture": "Von einer Kamera aufgenommen",
  "origin.type.computationalCapture": "Von einer Kamera aufgenommen und verarbeitet",
  "origin.type.humanEdits": "Von einem Menschen bearbeitet",
  "origin.type.compositeCapture": "Aus Fotos zusammengesetzt",
  "origin.type.trainedAlgorithmicMedia": "Von KI erzeugt",
  "origin.type.compositeWithTrainedAlgorithmicMedia": "Mit KI bearbeitet",
  "origin.type.algorithmicMedia": "Von Software erzeugt",

  "report.members": "Mitglieder",
  "report.member": "{model} (Gewicht {weight})",
  "model.choice": "Modell",
  "model.ensemble": "{name} ({count} Modelle)",
  "members.absent": "kein Wert: {reason}",
  "members.difference": "Die Modelle liegen {difference} auseinander ({low} bis {high}).",
  "members.contradict": "Sie widersprechen einander: Der Wert ist unsicher.",
};
