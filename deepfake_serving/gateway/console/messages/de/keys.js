/** Texts of the panel of API keys. */

export default {
  "keys.title": "API-Schlüssel",
  "keys.lede": "Was jeder API-Schlüssel darf und was er verbraucht hat.",
  "keys.day": "Tag (UTC)",
  "keys.refresh": "Aktualisieren",
  "keys.none": "Dieser Dienst braucht keine API-Schlüssel. Es gibt also keine, und kein Verbrauch wird gezählt.",
  "keys.updated": "Stand: {time}. Verbrauch erscheint innerhalb einer Sekunde.",
  "keys.revoked": "Nicht mehr in der Schlüsseldatei.",
  "keys.unit.requests": "Anfragen",
  "keys.unit.images": "Bilder",
  "keys.unit.bytes": "Empfangene Daten",
  "keys.unit.video_seconds": "Analysiertes Video",
  "keys.of": "{used} von {quota}",
  "keys.count": "{count}",
  "keys.rate": "Ratenbegrenzung",
  "keys.rate.none": "keine",
  "keys.rate.text": "noch {remaining} von {limit} Anfragen in {window}",
  "keys.queued": "Wartende Aufträge höchstens",
  "keys.streams": "Live-Streams höchstens",
  "keys.create": "Schlüssel erstellen",
  "keys.create.text":
    "Schlüssel sind Einträge einer Datei, die der Dienst liest und nie schreibt; in Kubernetes ist sie ein Secret. Dieser Befehl gibt den Schlüssel einmal aus, und seinen Eintrag, der nur einen Hash enthält:",
  "keys.create.command": "Befehl, der einen Schlüssel erstellt",
  "keys.revoke": "Schlüssel widerrufen",
  "keys.revoke.text":
    "Löschen Sie seinen Eintrag aus der Datei. Der Schlüssel wird ab der nächsten Anfrage abgewiesen; ein geändertes Secret kommt nach etwa einer Minute an.",
};
