{{/* TLS between gateways, workers and model servers. Each takes (dict "root" $ "side" "server") or "client". */}}

{{- define "deepfake.tls.secret" -}}
{{- with .root.Values.modelServer.tls }}
{{- ternary .serverSecret .clientSecret (eq $.side "server") | default (printf "%s-model-%s-tls" (include "deepfake.fullname" $.root) $.side) }}
{{- end }}
{{- end }}

{{- define "deepfake.tls.volume" -}}
{{- if .root.Values.modelServer.tls.enabled }}
- name: tls
  secret: {secretName: {{ include "deepfake.tls.secret" . | quote }}, defaultMode: 0440}
{{- end }}
{{- end }}

{{/* A folder, not a subPath: renewed certificates are used without a restart. */}}
{{- define "deepfake.tls.mount" -}}
{{- if .Values.modelServer.tls.enabled }}
- {name: tls, mountPath: /etc/deepfake-tls, readOnly: true}
{{- end }}
{{- end }}

{{/* The part that the certificates of both sides share. */}}
{{- define "deepfake.tls.certificate" -}}
secretName: {{ include "deepfake.tls.secret" . | quote }}
{{- with .root.Values.modelServer.tls.certManager }}
{{- if not .issuerRef }}{{ fail "modelServer.tls.certManager.issuerRef: required unless serverSecret and clientSecret are named" }}{{ end }}
issuerRef: {{- toYaml .issuerRef | nindent 2 }}
duration: {{ .duration }}
renewBefore: {{ .renewBefore }}
{{- end }}
privateKey: {algorithm: ECDSA, size: 256, rotationPolicy: Always}
{{- end }}
