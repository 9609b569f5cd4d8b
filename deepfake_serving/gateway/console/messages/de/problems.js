/** Failures in plain words: title, detail where the console finds it itself, and what to do. */

export default {
  "problem.title": "Etwas ist schiefgegangen",
  "problem.status": "Die Antwort war {status}",
  "problem.unexplained": "Sie kam ohne Erklärung.",
  "problem.of-proxy": "Ein Server vor dem Dienst hat mit {status} geantwortet.",
  "problem.what-to-do": "Was tun:",
  "problem.wait": "Der Dienst bittet, {seconds} s zu warten.",
  "problem.id": "Kennung der Anfrage:",
  "problem.advice": "Versuchen Sie es erneut; besteht das Problem weiter, wenden Sie sich an den Betreiber des Dienstes.",

  "problem.undecodable-media.title": "Diese Datei ist beschädigt und lässt sich nicht öffnen",
  "problem.undecodable-media.advice": "Exportieren Sie sie neu oder laden Sie sie noch einmal herunter, und wählen Sie die neue Datei.",
  "problem.unsupported-media-type.title": "Dieser Dateityp wird nicht unterstützt",
  "problem.unsupported-media-type.advice":
    "Wählen Sie ein Bild (JPEG, PNG, WebP …) oder ein Video; es zählt der Inhalt, nicht der Name.",
  "problem.too-large.title": "Diese Datei ist zu groß",
  "problem.too-large.advice":
    "Senden Sie eine kleinere Datei: einen kürzeren Teil des Videos oder den Teil des Bildes mit den Gesichtern.",
  "problem.too-large-image.title": "Dieses Bild ist zu groß",
  "problem.too-large-image.detail": "{name} hat {size}; dieser Dienst nimmt Bilder bis {limit}.",
  "problem.too-large-image.advice":
    "Schneiden Sie den Teil mit den Gesichtern aus, oder halbieren Sie Breite und Höhe, und senden Sie das. Starke Kompression macht ein Urteil unsicherer.",
  "problem.too-large-video.title": "Dieses Video ist zu groß",
  "problem.too-large-video.detail": "{name} hat {size}; dieser Dienst nimmt Videos bis {limit}.",
  "problem.too-large-video.advice":
    "Schneiden Sie den wichtigen Teil heraus, möglichst ohne neu zu kodieren, und senden Sie ihn.",
  "problem.empty-file.title": "Diese Datei ist leer",
  "problem.empty-file.detail": "{name} hat keinen Inhalt.",
  "problem.empty-file.advice": "Exportieren Sie sie neu oder laden Sie sie noch einmal herunter, und wählen Sie die neue Datei.",
  "problem.archive.title": "Archive werden nicht geöffnet",
  "problem.archive.detail": "{name} ist ein Archiv.",
  "problem.archive.advice": "Entpacken Sie es, und ziehen Sie den Ordner oder die Dateien hierher.",
  "problem.too-many-pixels.title": "Diese Datei hat zu viele Pixel",
  "problem.too-many-pixels.advice":
    "Schneiden Sie den Teil mit den Gesichtern aus, oder halbieren Sie Breite und Höhe, und senden Sie das in guter Qualität.",
  "problem.invalid-request.title": "Der Dienst hat die Anfrage nicht verstanden",
  "problem.invalid-request.advice": "Prüfen Sie die Eingaben, und versuchen Sie es erneut.",
  "problem.unauthorized.title": "Ein API-Schlüssel ist nötig",
  "problem.unauthorized.advice":
    "Geben Sie einen API-Schlüssel ein, den dieser Dienst annimmt. Sein Betreiber kann Ihnen einen geben.",
  "problem.forbidden.title": "Nicht erlaubt",
  "problem.forbidden.advice":
    "Dieser API-Schlüssel darf das nicht. Bitten Sie den Betreiber um einen Schlüssel mit diesem Recht.",
  "problem.not-found.title": "Nicht gefunden",
  "problem.not-found.advice": "Es wurde vielleicht gelöscht oder ist abgelaufen. Sehen Sie im Verlauf nach.",
  "problem.unknown-model.title": "Unbekanntes Modell",
  "problem.unknown-model.advice": "Wählen Sie ein anderes Modell, oder überlassen Sie dem Dienst die Wahl.",
  "problem.method-not-allowed.title": "Konsole und Dienst passen nicht zusammen",
  "problem.method-not-allowed.advice": "Eines von beiden wurde erneuert: Laden Sie diese Seite neu.",
  "problem.unsupported-version.title": "Das Protokoll des Hochladens hat eine andere Version",
  "problem.unsupported-version.advice":
    "Seite und Dienst wurden zu verschiedenen Zeiten erneuert: Laden Sie die Seite neu, und senden Sie die Datei noch einmal.",
  "problem.unsatisfiable-range.title": "Die Datei endet vor dem angeforderten Teil",
  "problem.unsatisfiable-range.advice": "Laden Sie diese Seite neu.",
  "problem.upgrade-required.title": "Die Verbindung für Livebilder wurde unterwegs abgebrochen",
  "problem.upgrade-required.advice":
    "Fragen Sie den Betreiber: Ein Proxy vor dem Dienst muss WebSockets durchlassen.",
  "problem.slow-request.title": "Das Hochladen dauerte zu lange",
  "problem.slow-request.advice":
    "Die Verbindung ist sehr langsam oder war unterbrochen. Versuchen Sie es erneut, oder senden Sie etwas Kleineres.",
  "problem.conflict.title": "Inzwischen geändert",
  "problem.conflict.advice":
    "Etwas anderes hat es inzwischen geändert. Laden Sie neu, und sehen Sie den Zustand an, bevor Sie es erneut versuchen.",
  "problem.message-too-large.title": "Zu viel auf einmal",
  "problem.message-too-large.advice": "Senden Sie weniger oder kleinere Bilder auf einmal.",
  "problem.unsupported-content-coding.title": "Der Upload wurde unterwegs verändert",
  "problem.unsupported-content-coding.advice":
    "Ein Proxy unterwegs komprimiert Uploads. Wenden Sie sich an den Betreiber des Dienstes.",
  "problem.invalid-cursor.title": "Die Liste hat sich geändert",
  "problem.invalid-cursor.advice": "Diese Seite der Liste gilt nicht mehr. Laden Sie die Liste neu.",
  "problem.refused-url.title": "Diese Adresse wird nicht abgerufen",
  "problem.refused-url.advice":
    "Der Dienst ruft solche Adressen nicht ab. Laden Sie die Datei herunter, und senden Sie sie von hier.",
  "problem.unreachable-url.title": "Diese Adresse ist nicht erreichbar",
  "problem.unreachable-url.advice":
    "Öffnen Sie die Adresse zur Prüfung im Browser, oder laden Sie die Datei herunter und senden Sie sie von hier.",
  "problem.overloaded.title": "Der Dienst ist ausgelastet",
  "problem.overloaded.advice": "Warten Sie einen Moment, und versuchen Sie es erneut.",
  "problem.rate-limited.title": "Zu viele Anfragen",
  "problem.rate-limited.advice":
    "Dieser API-Schlüssel hat seine Grenze erreicht. Warten Sie einen Moment, und versuchen Sie es erneut.",
  "problem.quota-exceeded.title": "Das Tageskontingent ist aufgebraucht",
  "problem.quota-exceeded.advice":
    "Dieser API-Schlüssel darf heute nichts mehr. Versuchen Sie es morgen (UTC), oder bitten Sie den Betreiber um mehr.",
  "problem.internal.title": "Fehler im Dienst",
  "problem.internal.advice": "Das ist ein Fehler im Dienst. Melden Sie ihn mit der Kennung unten.",
  "problem.not-ready.title": "Der Dienst ist nicht bereit",
  "problem.not-ready.advice": "Der Dienst startet gerade. Versuchen Sie es in einer Minute erneut.",
  "problem.upstream-unavailable.title": "Ein Teil des Dienstes antwortet nicht",
  "problem.upstream-unavailable.advice":
    "Versuchen Sie es in einer Minute erneut; besteht das Problem weiter, wenden Sie sich an den Betreiber des Dienstes.",
  "problem.ensemble-unavailable.title": "Zu wenige Modelle antworten",
  "problem.ensemble-unavailable.advice":
    "Wählen Sie ein einzelnes Modell, oder versuchen Sie es in einer Minute noch einmal.",
  "problem.deadline-exceeded.title": "Es dauerte zu lange",
  "problem.deadline-exceeded.advice": "Versuchen Sie es erneut, oder senden Sie etwas Kleineres.",
  "problem.storage-full.title": "Der Speicher des Dienstes ist voll",
  "problem.storage-full.advice":
    "Löschen Sie im Verlauf, was Sie nicht brauchen, oder wenden Sie sich an den Betreiber des Dienstes.",
  "problem.unreachable.title": "Server nicht erreichbar",
  "problem.unreachable.detail": "Der Dienst hat nicht geantwortet.",
  "problem.unreachable.advice":
    "Prüfen Sie Ihre Verbindung und ob der Dienst läuft; versuchen Sie es dann erneut.",
  "problem.foreign-page.title": "Eine andere Seite kam zurück",
  "problem.foreign-page.detail": "Ein Server vor dem Dienst hat statt des Ergebnisses eine Seite gesendet.",
  "problem.foreign-page.advice":
    "Falls Sie sich für diese Konsole angemeldet haben, laden Sie die Seite neu und melden Sie sich wieder an; sonst hilft ihr Betreiber.",
  "problem.console.title": "Fehler in der Konsole",
  "problem.no-camera.title": "Keine Kamera gefunden",
  "problem.no-camera.detail": "Der Browser hat keine Kamera gefunden.",
  "problem.no-camera.advice": "Schließen Sie eine Kamera an, und versuchen Sie es erneut.",
  "problem.camera-refused.title": "Die Kamera wurde nicht erlaubt",
  "problem.camera-refused.detail": "Der Browser oder das System erlaubt dieser Seite die Kamera nicht.",
  "problem.camera-refused.advice":
    "Erlauben Sie dieser Seite die Kamera in der Adresszeile des Browsers, und versuchen Sie es erneut.",
  "problem.camera-busy.title": "Die Kamera lässt sich nicht verwenden",
  "problem.camera-busy.advice":
    "Schließen Sie andere Programme, die die Kamera verwenden, und versuchen Sie es erneut.",
  "problem.camera-lost.title": "Die Kamera ist weg",
  "problem.camera-lost.detail": "Sie wurde getrennt, oder der Browser oder das System hat sie dieser Seite entzogen.",
  "problem.camera-lost.advice": "Schließen Sie sie wieder an oder erlauben Sie sie, und schalten Sie die Kamera ein.",
  "problem.camera-insecure.title": "Keine Kamera auf unsicheren Seiten",
  "problem.camera-insecure.detail": "Diese Seite wurde von einem anderen Rechner über http:// geöffnet.",
  "problem.camera-insecure.advice":
    "Öffnen Sie die Konsole über https:// oder auf localhost: Browser geben die Kamera nur sicheren Seiten.",
  "problem.stream-ended.title": "Der Live-Strom ist beendet",
};
