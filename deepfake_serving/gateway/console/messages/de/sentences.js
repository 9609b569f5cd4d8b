/** Was der Dienst in englischen Sätzen sagt: Hinweise, und Einzelheiten von Problemen. */

export default {
  "warning.animation":
    "Nur das erste Einzelbild dieses Bildes wurde analysiert. Um alle zu analysieren, speichern Sie es als Video.",
  "warning.pages":
    "Nur die erste Seite dieser Datei wurde analysiert. Um weitere zu analysieren, speichern Sie jede als Bild.",
  "warning.cut-short": "Dieses Bild ist abgeschnitten: {count} % davon konnten gelesen werden.",
  "warning.coarse":
    "Dieses Bild ist abgeschnitten: {count} % seiner Details konnten gelesen werden, {precise} % in voller Genauigkeit. Der Rest ist unscharf.",
  "warning.halved":
    "Dieses Bild hat {width} × {height} Pixel, mehr als der Dienst analysiert: Es wurde mit halber Breite und Höhe analysiert.",
  "warning.many-faces": "Nur die {count} größten von {all} Gesichtern wurden analysiert.",
  "warning.crowded-frames": {
    one: "In {count} Einzelbild wurden nur die {most} größten Gesichter analysiert.",
    other: "In {count} Einzelbildern wurden nur die {most} größten Gesichter analysiert.",
  },
  "warning.brief-faces": {
    one: "{count} Gesicht war zu kurz zu sehen, um bewertet zu werden.",
    other: "{count} Gesichter waren zu kurz zu sehen, um bewertet zu werden.",
  },
  "warning.thinned": {
    one: "{count} Einstellung ist lang: Von ihren Einzelbildern wurden {most} in gleichen Abständen analysiert.",
    other: "{count} Einstellungen sind lang: Von den Einzelbildern jeder wurden {most} in gleichen Abständen analysiert.",
  },
  "warning.failed-frames": {
    one: "{count} Einzelbild konnte nicht analysiert werden. Der letzte Grund: {reason}",
    other: "{count} Einzelbilder konnten nicht analysiert werden. Der letzte Grund: {reason}",
  },
  "warning.empty-shots": {
    one: "{count} Einstellung ist so kurz, dass keines ihrer Einzelbilder gewählt wurde; sie ist nicht aufgeführt.",
    other: "{count} Einstellungen sind so kurz, dass keines ihrer Einzelbilder gewählt wurde; sie sind nicht aufgeführt.",
  },
  "warning.people":
    "Nur die {count} am längsten sichtbaren von {all} Gesichtern wurden verglichen, um dieselbe Person zu finden.",
  "warning.no-heatmaps": "Dieses Modell hat keine Heatmaps.",
  "warning.no-heatmaps-of": "Das Modell {model} hat keine Heatmaps.",
  "warning.left-out": "Das Modell {model} gab keinen Wert: {reason}.",
  "warning.left-out-frames": {
    one: "Das Modell {model} gab für {count} Einzelbild keinen Wert: {reason}.",
    other: "Das Modell {model} gab für {count} Einzelbilder keinen Wert: {reason}.",
  },
  "warning.start-lost": "Die ersten {seconds} Sekunden dieses Videos sind nicht lesbar.",
  "warning.breaks-off": "Dieses Video bricht nach {seconds} von {all} Sekunden ab.",
  "warning.damaged": {
    one: "Dieses Video ist beschädigt: {count} Teil war nicht lesbar.",
    other: "Dieses Video ist beschädigt: {count} Teile waren nicht lesbar.",
  },
  "warning.only-seconds":
    "Dieses Video ist länger, als der Dienst analysiert: Nur seine ersten {seconds} Sekunden zählen.",
  "warning.only-frames": {
    one: "Dieses Video hat mehr Einzelbilder, als der Dienst analysiert: Nur {count} zählt.",
    other: "Dieses Video hat mehr Einzelbilder, als der Dienst analysiert: Nur {count} zählen.",
  },
  "warning.size-changes":
    "Ab {seconds} Sekunden haben die Bilder dieses Videos eine andere Größe: {width} × {height} Pixel.",
  "warning.alpha":
    "Auch durchsichtige Teile dieses Videos wurden analysiert: Dieser Dienst kann Durchsichtigkeit nicht dekodieren.",
  "warning.source-lost": "Die Quelle ging verloren: {reason}",

  "detail.pixels": "Es hat {width} × {height} Pixel; dieser Dienst nimmt Bilder bis {limit} Pixel.",
  "detail.pixel-count": "Es hat {count} Pixel; dieser Dienst nimmt Bilder bis {limit} Pixel.",
  "detail.many-pixels": "Es hat mehr als {limit} Pixel.",
  "detail.frame-pixels":
    "Seine Einzelbilder haben {width} × {height} Pixel; dieser Dienst nimmt Videos bis {limit} Pixel je Einzelbild.",
  "detail.bytes": "Die Datei hat {size}; dieser Dienst nimmt bis {limit}.",
  "detail.over-bytes": "Die Datei hat mehr als {limit}, das Höchste, was dieser Dienst nimmt.",
  "detail.cut-short":
    "Dieses Bild ist abgeschnitten: {count} % davon konnten gelesen werden; mindestens {least} % sind nötig.",
  "detail.image-damaged": "Das Bild ist beschädigt.",
  "detail.image-slow": "Es zu dekodieren dauert länger als {seconds} Sekunden; mehr erlaubt dieser Dienst nicht.",
  "detail.image-parts":
    "Es besteht aus mehr Teilen, als dieser Dienst liest. Speichern Sie es in einem Bildprogramm neu.",
  "detail.image-format": "Der Dienst liest JPEG, PNG, WebP, BMP, GIF, AVIF, HEIC und TIFF.",
  "detail.is-video": "Das ist ein Video, kein Bild: Wählen Sie es unter „Video“.",
  "detail.tiff":
    "Diese Art von TIFF wird nicht gelesen. Speichern Sie es mit LZW oder ohne Kompression, in Grau oder RGB mit 8 oder 16 Bit.",
  "detail.is-image": "Das ist ein Bild ({form}), kein Video: Wählen Sie es unter „Bild“.",
  "detail.animated-webp":
    "Animiertes WebP wird nicht als Video gelesen. Speichern Sie es als MP4, WebM oder GIF, oder wählen Sie es unter „Bild“; dort wird sein erstes Einzelbild analysiert.",
  "detail.video-format": "Der Dienst liest MP4, MOV, WebM, MKV, AVI und andere übliche Videos; das ist keines davon.",
  "detail.video-damaged": "Das Video ist beschädigt und nicht lesbar.",
  "detail.no-video": "Diese Datei hat Ton oder andere Daten, aber kein Bild.",
  "detail.video-codec":
    "Die Bilder dieses Videos sind so kodiert, dass dieser Dienst sie nicht lesen kann. Speichern Sie es als MP4 (H.264).",
  "detail.video-colours":
    "Die Farben dieses Videos sind so kodiert, dass dieser Dienst sie nicht lesen kann. Speichern Sie es als MP4 (H.264).",
  "detail.dolby-vision":
    "Das ist Dolby Vision einer Art, die nur wenige Player in ihren Farben zeigen. Exportieren Sie es als gewöhnliches HDR oder SDR.",
  "detail.video-memory":
    "Es zu dekodieren braucht mehr Speicher, als dieser Dienst erlaubt. Speichern Sie es mit kleineren Bildern.",
  "detail.no-frame": "Das Video hat kein Einzelbild, das analysiert werden konnte.",
  "detail.deadline": "Es gab nicht rechtzeitig eine Antwort.",
};
