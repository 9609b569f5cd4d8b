{{/* Seconds without a byte after which a proxy may give up: longer than any request, heartbeat and idle stream. */}}
{{- define "deepfake.ingress.idleSeconds" -}}
{{- max 75 (add .Values.gateway.requestTimeoutSeconds 15) }}
{{- end }}

{{/* Annotations of an Ingress by its controller; those of the values win: (dict "root" $ "own" map "grpc" true).
     The gateway limits bodies and durations itself, with errors that name the limit, so proxies shall not. */}}
{{- define "deepfake.ingress.annotations" -}}
{{- $idle := include "deepfake.ingress.idleSeconds" .root }}
{{- $known := dict }}
{{- with .root.Values.gateway.ingress.controller }}
{{- if eq . "nginx" }}
{{- $known = dict
      "nginx.ingress.kubernetes.io/proxy-body-size" "0"
      "nginx.ingress.kubernetes.io/proxy-request-buffering" "off"
      "nginx.ingress.kubernetes.io/proxy-read-timeout" $idle
      "nginx.ingress.kubernetes.io/proxy-send-timeout" $idle }}
{{- if $.grpc }}{{ $_ := set $known "nginx.ingress.kubernetes.io/backend-protocol" "GRPC" }}{{ end }}
{{- else if eq . "haproxy" }}
{{- $known = dict "haproxy.org/timeout-server" (printf "%ss" $idle) }}
{{- if $.grpc }}{{ $_ := set $known "haproxy.org/server-proto" "h2" }}{{ end }}
{{- end }}
{{- end }}
{{- with mustMergeOverwrite $known (.own | default dict) }}
annotations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The Service of the Ingress for gRPC. Traefik takes the protocol from the whole Service, so it gets one of gRPC. */}}
{{- define "deepfake.ingress.grpcService" -}}
{{ include "deepfake.fullname" . }}-gateway{{ if eq .Values.gateway.ingress.controller "traefik" }}-grpc{{ end }}
{{- end }}
