{{/* PodMonitor of one component: (dict "root" $ "component" "gateway"). Its series have the same labels
     as those scraped by annotations with the usual labelmap. */}}
{{- define "deepfake.podMonitor" -}}
{{- with .root.Values.monitoring.podMonitor }}
{{- if .enabled }}
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata:
  name: {{ include "deepfake.fullname" $.root }}-{{ $.component }}
  namespace: {{ $.root.Release.Namespace | quote }}
  labels: {{- include "deepfake.labels" (merge (dict "own" .labels) $) | nindent 4 }}
spec:
  selector:
    matchLabels: {{- include "deepfake.selectorLabels" $ | nindent 6 }}
  podTargetLabels:
    - app.kubernetes.io/instance
    - app.kubernetes.io/component
    - deepfake-serving/pool
  podMetricsEndpoints:
    - {port: metrics, path: /metrics, interval: {{ .interval }}}
{{- end }}
{{- end }}
{{- end }}
