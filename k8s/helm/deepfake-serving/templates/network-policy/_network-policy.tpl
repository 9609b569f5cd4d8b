{{/* NetworkPolicy peer: the pods of one component of this release: (dict "root" $ "component" "gateway"). */}}
{{- define "deepfake.networkPolicy.peer" -}}
- podSelector:
    matchLabels: {{- include "deepfake.selectorLabels" . | nindent 6 }}
{{- end }}

{{/* Metadata and pod selector of a component's NetworkPolicy: (dict "root" $ "component" "gateway"). */}}
{{- define "deepfake.networkPolicy.head" -}}
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

{{/* Ingress rule of a metrics port: (dict "root" $ "port" 8002). */}}
{{- define "deepfake.networkPolicy.metricsIngress" -}}
{{- with .root.Values.networkPolicy.metricsFrom }}
- from: {{- toYaml . | nindent 4 }}
  ports: [{port: {{ $.port }}, protocol: TCP}]
{{- end }}
{{- end }}

{{/* Egress rules of gateways and workers: model servers, Redis, and public URLs of clients. */}}
{{- define "deepfake.networkPolicy.gatewayEgress" -}}
- to: {{- include "deepfake.networkPolicy.peer" (dict "root" . "component" "model-server") | nindent 4 }}
  ports: [{port: 8080, protocol: TCP}, {port: 8081, protocol: TCP}]
{{- if .Values.redis.enabled }}
- to: {{- include "deepfake.networkPolicy.peer" (dict "root" . "component" "redis") | nindent 4 }}
  ports: [{port: 6379, protocol: TCP}]
{{- end }}
- to:
    - ipBlock: {cidr: 0.0.0.0/0, except: {{ toJson .Values.networkPolicy.fetchExcept }}}
  ports: [{port: 80, protocol: TCP}, {port: 443, protocol: TCP}]
{{- with .Values.networkPolicy.gatewayEgress }}
{{ toYaml . }}
{{- end }}
{{- end }}
