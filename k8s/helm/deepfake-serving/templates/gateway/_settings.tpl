{{/* Routing to all pools by their headless Services. */}}
{{- define "deepfake.routing" -}}
{{- $pools := list }}
{{- range .Values.modelServer.pools }}
{{- $pool := include "deepfake.pool" (dict "root" $ "pool" .) | fromYaml }}
{{- $host := printf "%s.%s.svc" (include "deepfake.model.name" (dict "root" $ "pool" $pool)) $.Release.Namespace }}
{{- $entry := dict
      "name" $pool.name
      "url" (printf "%s://%s:8080" (ternary "https" "http" $.Values.modelServer.tls.enabled) $host)
      "models" $pool.models
      "priority" $pool.priority
      "weight" $pool.weight
      "max_in_flight" $pool.maxInFlight }}
{{- if and (eq $pool.autoscaling.type "keda") (not $pool.autoscaling.minReplicas) }}{{ $_ := set $entry "may_be_empty" true }}{{ end }}
{{- if $pool.shadow.enabled }}{{ $_ := set $entry "shadow" $pool.shadow.share }}{{ end }}
{{- $pools = append $pools $entry }}
{{- end }}
{{- dict "pools" $pools | toYaml }}
{{- end }}

{{- define "deepfake.objects" -}}
{{- if eq .Values.media.type "s3" -}}
{{ required "media.s3.url: required if media.type is s3 (s3://bucket/prefix)" .Values.media.s3.url }}
{{- else -}}
file:///media
{{- end }}
{{- end }}

{{/* Settings of gateway and worker: derived from the values, overridden by gateway.settings. */}}
{{- define "deepfake.gateway.settings" -}}
{{- $derived := dict
      "host" "::"
      "log_format" "json"
      "routing" (include "deepfake.routing" . | fromYaml)
      "objects" (include "deepfake.objects" .)
      "auth" .Values.gateway.auth.mode
      "request_timeout_s" .Values.gateway.requestTimeoutSeconds
      "drain_timeout_s" .Values.gateway.requestTimeoutSeconds
      "grpc_connection_age_s" (max 1 (sub .Values.gateway.preStopSeconds 2))
      "worker_jobs" .Values.worker.jobs
      "worker_drain_s" .Values.worker.drainSeconds }}
{{- if eq .Values.gateway.auth.mode "keys" }}
{{- $_ := set $derived "keys_file" "/etc/deepfake/keys/keys.yaml" }}
{{- end }}
{{- if .Values.modelServer.tls.enabled }}
{{- $derived = merge $derived (dict
      "upstream_ca" "/etc/deepfake-tls/ca.crt"
      "upstream_certificate" "/etc/deepfake-tls/tls.crt"
      "upstream_key" "/etc/deepfake-tls/tls.key") }}
{{- end }}
{{- $settings := mustMergeOverwrite $derived (deepCopy (.Values.gateway.settings | default dict)) }}
{{- range $file, $_ := include "deepfake.gateway.ensembleFiles" . | fromYaml }}
{{- $_ := set $settings "ensembles" (append ($settings.ensembles | default list) (printf "/etc/deepfake/settings/%s" $file)) }}
{{- end }}
{{- toYaml $settings }}
{{- end }}

{{/* Files of the ConfigMap: the settings, and ensembles of the values. */}}
{{- define "deepfake.gateway.files" -}}
{{- mustMergeOverwrite (dict "gateway.yaml" (printf "%s\n" (include "deepfake.gateway.settings" .))) (include "deepfake.gateway.ensembleFiles" . | fromYaml) | toYaml }}
{{- end }}

{{- define "deepfake.gateway.keysSecret" -}}
{{ .Values.gateway.auth.existingSecret | default (printf "%s-keys" (include "deepfake.fullname" .)) }}
{{- end }}

{{/* Environment of gateway and worker, including URLs with secrets: (dict "root" $ "name" "gateway"). */}}
{{- define "deepfake.gateway.env" -}}
{{- $values := .root.Values }}
- {name: DEEPFAKE_GATEWAY_CONFIG, value: /etc/deepfake/settings/gateway.yaml}
{{- if $values.redis.enabled }}
- name: DEEPFAKE_GATEWAY_JOBS
  valueFrom: {secretKeyRef: {name: {{ $values.redis.existingSecret | default (printf "%s-redis" (include "deepfake.fullname" .root)) | quote }}, key: url}}
{{- else if $values.redis.externalUrlSecret }}
- name: DEEPFAKE_GATEWAY_JOBS
  valueFrom: {secretKeyRef: {name: {{ $values.redis.externalUrlSecret | quote }}, key: url}}
{{- else }}
- name: DEEPFAKE_GATEWAY_JOBS
  value: {{ required "redis.externalUrl or redis.externalUrlSecret: required if redis.enabled is false" $values.redis.externalUrl | quote }}
{{- end }}
{{- with $values.gateway.webhookSecret }}
- name: DEEPFAKE_GATEWAY_WEBHOOK_SECRET
  valueFrom: {secretKeyRef: {name: {{ . | quote }}, key: webhook-secret}}
{{- end }}
{{- if eq $values.media.type "s3" }}
{{- with $values.media.s3 }}
{{- with .region }}
- {name: AWS_REGION, value: {{ . | quote }}}
{{- end }}
{{- with .endpoint }}
- {name: AWS_ENDPOINT_URL, value: {{ . | quote }}}
{{- end }}
{{- if .allowHttp }}
- {name: AWS_ALLOW_HTTP, value: "true"}
{{- end }}
{{- end }}
{{- end }}
{{- include "deepfake.tracing" . }}
{{- end }}

{{- define "deepfake.tracing" -}}
{{- with .root.Values.tracing.otlpEndpoint }}
- {name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ . | quote }}}
- {name: OTEL_SERVICE_NAME, value: deepfake-{{ $.name }}}
- {name: OTEL_TRACES_SAMPLER, value: parentbased_traceidratio}
- {name: OTEL_TRACES_SAMPLER_ARG, value: {{ $.root.Values.tracing.sampleRatio | quote }}}
{{- end }}
{{- end }}

{{/* Credentials of the object store from a Secret, if one is named. */}}
{{/* (dict "root" $ "values" map) */}}
{{- define "deepfake.gateway.envFrom" -}}
{{- $sources := .values.extraEnvFrom | default list }}
{{- if and (eq .root.Values.media.type "s3") .root.Values.media.s3.credentialsSecret }}
{{- $sources = prepend $sources (dict "secretRef" (dict "name" .root.Values.media.s3.credentialsSecret)) }}
{{- end }}
{{- with $sources }}
envFrom: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "deepfake.gateway.mounts" -}}
- {name: settings, mountPath: /etc/deepfake/settings, readOnly: true}
- {name: tmp, mountPath: /tmp}
{{- if eq .Values.media.type "volume" }}
- {name: media, mountPath: /media}
{{- end }}
{{- include "deepfake.tls.mount" . }}
{{- end }}

{{- define "deepfake.gateway.volumes" -}}
- name: settings
  configMap: {name: {{ include "deepfake.fullname" . }}-gateway}
{{- if eq .Values.media.type "volume" }}
- name: media
  persistentVolumeClaim: {claimName: {{ .Values.media.volume.existingClaim | default (printf "%s-media" (include "deepfake.fullname" .)) | quote }}}
{{- end }}
{{- include "deepfake.tls.volume" (dict "root" . "side" "client") }}
{{- end }}

{{/* Labels of the pods of gateway and worker: the arguments of `deepfake.labels`. */}}
{{- define "deepfake.gateway.podLabels" -}}
{{- $media := dict }}
{{- if include "deepfake.sharesRWOVolume" .root }}{{ $_ := set $media "deepfake-serving/media" .root.Release.Name }}{{ end }}
{{- mustMergeOverwrite (include "deepfake.labels" . | fromYaml) $media | toYaml }}
{{- end }}

{{- define "deepfake.gateway.image" -}}
{{ include "deepfake.image" (dict "root" . "image" .Values.image.gateway) }}
{{- end }}
