{{/* Peers of one component of this release: (dict "root" $ "component" "gateway"). */}}
{{- define "deepfake.peer" -}}
- podSelector:
    matchLabels: {{- include "deepfake.selectorLabels" . | nindent 6 }}
{{- end }}

{{/* Metadata and selector of a policy: (dict "root" $ "component" "gateway"). */}}
{{- define "deepfake.policyHead" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "deepfake.fullname" .root }}-{{ .component }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "deepfake.labels" . | nindent 4 }}
spec:
  podSelector:
    matchLabels: {{- include "deepfake.selectorLabels" . | nindent 6 }}
{{- end }}

{{/* Who may read metrics at a port. */}}
{{- define "deepfake.metricsEdge" -}}
{{- with .root.Values.networkPolicy.metricsFrom }}
- from: {{- toYaml . | nindent 4 }}
  ports: [{port: {{ $.port }}, protocol: TCP}]
{{- end }}
{{- end }}

{{/* Where gateways and workers go: model servers, Redis, and what callers' URLs name. */}}
{{- define "deepfake.gatewayEgress" -}}
- to: {{- include "deepfake.peer" (dict "root" . "component" "model-server") | nindent 4 }}
  ports: [{port: 8080, protocol: TCP}, {port: 8081, protocol: TCP}]
{{- if .Values.redis.enabled }}
- to: {{- include "deepfake.peer" (dict "root" . "component" "redis") | nindent 4 }}
  ports: [{port: 6379, protocol: TCP}]
{{- end }}
- to:
    - ipBlock: {cidr: 0.0.0.0/0, except: {{ toJson .Values.networkPolicy.fetchExcept }}}
  ports: [{port: 80, protocol: TCP}, {port: 443, protocol: TCP}]
{{- with .Values.networkPolicy.gatewayEgress }}
{{ toYaml . }}
{{- end }}
{{- end }}
