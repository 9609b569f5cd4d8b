{{/* Parts of a pool's pods. Each takes (dict "root" $ "pool" pool), the pool with its defaults. */}}

{{- define "deepfake.model.name" -}}
{{ include "deepfake.fullname" .root }}-model-{{ .pool.name }}
{{- end }}

{{/* The settings of its model servers: what follows from the chart, then what is asked for. */}}
{{- define "deepfake.model.settings" -}}
{{- $derived := dict
      "models" (join "," .pool.models)
      "request_timeout_s" .pool.requestTimeoutSeconds
      "start_timeout_s" .pool.startTimeoutSeconds
      "drain_timeout_s" .pool.requestTimeoutSeconds }}
{{- with .pool.digests }}{{ $_ := set $derived "digests" . }}{{ end }}
{{- if .pool.gpu.resource }}
{{- $_ := set $derived "device" "cuda" }}
{{- $_ := set $derived "gpus" .pool.gpu.count }}
{{- end }}
{{- if ne .pool.delivery.type "image" }}
{{- $_ := set $derived "archives" (include "deepfake.model.folder" .) }}
{{- end }}
{{- mustMergeOverwrite $derived .pool.settings | toYaml }}
{{- end }}

{{/* Where its archives lie. */}}
{{- define "deepfake.model.folder" -}}
{{- if eq .pool.delivery.type "image" -}}
/app/archives
{{- else -}}
/models{{ with .pool.delivery.path }}/{{ . | trimPrefix "/" | trimSuffix "/" }}{{ end }}
{{- end }}
{{- end }}

{{/* What the delivery brings and proves, as packaging/deliver.py reads it. */}}
{{- define "deepfake.model.delivery" -}}
{{- $archives := dict }}
{{- range $name, $digest := .pool.digests }}
{{- $_ := set $archives $name (dict "digest" $digest) }}
{{- end }}
{{- range $name, $source := .pool.delivery.sources }}
{{- $_ := set (get $archives $name) "source" $source }}
{{- end }}
{{- dict "folder" (include "deepfake.model.folder" .) "archives" $archives | toJson }}
{{- end }}

{{- define "deepfake.model.image" -}}
{{- include "deepfake.image" (dict "root" .root "image" (mustMergeOverwrite (deepCopy .root.Values.image.modelServer) .pool.image)) }}
{{- end }}

{{/* Where archives come from, as a volume. */}}
{{- define "deepfake.model.volume" -}}
{{- with .pool.delivery }}
{{- if eq .type "pvc" }}
- name: models
  persistentVolumeClaim: {claimName: {{ .claimName }}, readOnly: true}
{{- else if eq .type "imageVolume" }}
- name: models
  image: {reference: {{ .reference }}, pullPolicy: IfNotPresent}
{{- else if eq .type "fetch" }}
- name: models
  emptyDir: {sizeLimit: {{ .sizeLimit }}}
{{- end }}
{{- end }}
{{- end }}

{{/* What can't be: a clear message in place of pods that never start. */}}
{{- define "deepfake.model.check" -}}
{{- $pool := .pool }}
{{- $at := printf "modelServer.pools[name=%s]" $pool.name }}
{{- with $pool.delivery }}
{{- if and (eq .type "pvc") (not .claimName) }}{{ fail (printf "%s.delivery.claimName: name the claim that holds the archives" $at) }}{{ end }}
{{- if and (eq .type "imageVolume") (not .reference) }}{{ fail (printf "%s.delivery.reference: name the image that holds the archives" $at) }}{{ end }}
{{- if ne .type "image" }}
{{- range $pool.models }}
{{- if not (hasKey $pool.digests .) }}{{ fail (printf "%s.digests.%s: archives from outside the image need a sha256" $at .) }}{{ end }}
{{- if and (eq $pool.delivery.type "fetch") (not (hasKey $pool.delivery.sources .)) }}{{ fail (printf "%s.delivery.sources.%s: where is it fetched from?" $at .) }}{{ end }}
{{- end }}
{{- end }}
{{- range $name, $_ := .sources }}
{{- if not (has $name $pool.models) }}{{ fail (printf "%s.delivery.sources.%s: no such model is served by this pool" $at $name) }}{{ end }}
{{- end }}
{{- end }}
{{- range $name, $_ := $pool.digests }}
{{- if not (has $name $pool.models) }}{{ fail (printf "%s.digests.%s: no such model is served by this pool" $at $name) }}{{ end }}
{{- end }}
{{- if and (eq $pool.autoscaling.type "hpa") (eq (int $pool.autoscaling.minReplicas) 0) }}
{{- fail (printf "%s.autoscaling.minReplicas: only keda can go to zero" $at) }}
{{- end }}
{{- if gt (int $pool.autoscaling.minReplicas) (int $pool.autoscaling.maxReplicas) }}
{{- fail (printf "%s.autoscaling: minReplicas is more than maxReplicas" $at) }}
{{- end }}
{{- end }}
