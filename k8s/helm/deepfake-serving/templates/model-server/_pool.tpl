{{/* Parts of a pool's pods. Each takes (dict "root" $ "pool" pool), the pool merged over the defaults. */}}

{{- define "deepfake.model.name" -}}
{{ include "deepfake.fullname" .root }}-model-{{ .pool.name }}
{{- end }}

{{/* Settings of the pool's model servers: derived from the values, overridden by pool.settings. */}}
{{- define "deepfake.model.settings" -}}
{{- $derived := dict
      "host" "::"
      "log_format" "json"
      "models" (join "," .pool.models)
      "request_timeout_s" .pool.requestTimeoutSeconds
      "start_timeout_s" .pool.startTimeoutSeconds
      "drain_delay_s" 2
      "grpc_connection_age_s" (max 1 (sub .pool.preStopSeconds 2))
      "drain_timeout_s" .pool.requestTimeoutSeconds }}
{{- with .pool.digests }}{{ $_ := set $derived "digests" . }}{{ end }}
{{- if .pool.gpu.resource }}
{{- $_ := set $derived "device" "cuda" }}
{{- $_ := set $derived "gpus" .pool.gpu.count }}
{{- end }}
{{- if ne .pool.delivery.type "image" }}
{{- $_ := set $derived "archives" (include "deepfake.model.archiveFolder" .) }}
{{- end }}
{{- if .root.Values.modelServer.tls.enabled }}
{{- $derived = merge $derived (dict
      "probe_port" 8083
      "tls_certificate" "/etc/deepfake-tls/tls.crt"
      "tls_key" "/etc/deepfake-tls/tls.key"
      "tls_client_ca" "/etc/deepfake-tls/ca.crt") }}
{{- end }}
{{- mustMergeOverwrite $derived (.pool.settings | default dict) | toYaml }}
{{- end }}

{{/* Folder of the archives inside the pod. */}}
{{- define "deepfake.model.archiveFolder" -}}
{{- if eq .pool.delivery.type "image" -}}
/app/archives
{{- else -}}
/models{{ with .pool.delivery.path }}/{{ . | trimPrefix "/" | trimSuffix "/" }}{{ end }}
{{- end }}
{{- end }}

{{/* Archives to fetch and verify, as packaging/deliver.py reads them. */}}
{{- define "deepfake.model.delivery" -}}
{{- $archives := dict }}
{{- range $name, $digest := .pool.digests }}
{{- $_ := set $archives $name (dict "digest" $digest) }}
{{- end }}
{{- range $name, $source := .pool.delivery.sources }}
{{- $_ := set (get $archives $name) "source" $source }}
{{- end }}
{{- dict "folder" (include "deepfake.model.archiveFolder" .) "archives" $archives | toJson }}
{{- end }}

{{/* The pool's image as a map. Another repository than the shared one inherits neither tag nor digest. */}}
{{- define "deepfake.model.imageValues" -}}
{{- $shared := .root.Values.image.modelServer }}
{{- if .pool.gpu.resource }}{{ $shared = .root.Values.image.modelServerCuda }}{{ end }}
{{- $own := default $shared.repository .pool.image.repository }}
{{- if ne $own $shared.repository }}{{ $shared = omit $shared "tag" "digest" }}{{ end }}
{{- $image := mustMergeOverwrite (deepCopy $shared) .pool.image }}
{{- $cpu := .root.Values.image.modelServer.repository }}
{{- if and .pool.gpu.resource (eq $image.repository $cpu) }}
{{- fail (printf "modelServer.pools[name=%s].image.repository: %s is the image without CUDA, and the pool has a GPU" .pool.name $cpu) }}
{{- end }}
{{- toYaml $image }}
{{- end }}

{{- define "deepfake.model.image" -}}
{{- include "deepfake.image" (dict "root" .root "image" (include "deepfake.model.imageValues" . | fromYaml)) }}
{{- end }}

{{- define "deepfake.model.pullPolicy" -}}
{{ (include "deepfake.model.imageValues" . | fromYaml).pullPolicy }}
{{- end }}

{{/* Volume of the archives. */}}
{{- define "deepfake.model.volume" -}}
{{- with .pool.delivery }}
{{- if eq .type "pvc" }}
- name: models
  persistentVolumeClaim: {claimName: {{ .claimName | quote }}, readOnly: true}
{{- else if eq .type "imageVolume" }}
- name: models
  image: {reference: {{ .reference | quote }}, pullPolicy: IfNotPresent}
{{- else if eq .type "fetch" }}
- name: models
  emptyDir: {sizeLimit: {{ .sizeLimit }}}
{{- end }}
{{- end }}
{{- end }}

{{/* Fails with a clear message for values with which pods would never start. */}}
{{- define "deepfake.model.validate" -}}
{{- $pool := .pool }}
{{- $at := printf "modelServer.pools[name=%s]" $pool.name }}
{{- with $pool.delivery }}
{{- if and (eq .type "pvc") (not .claimName) }}{{ fail (printf "%s.delivery.claimName: required if delivery.type is pvc" $at) }}{{ end }}
{{- if and (eq .type "imageVolume") (not .reference) }}{{ fail (printf "%s.delivery.reference: required if delivery.type is imageVolume" $at) }}{{ end }}
{{- if ne .type "image" }}
{{- range $pool.models }}
{{- if not (hasKey $pool.digests .) }}{{ fail (printf "%s.digests.%s: required for archives that are not in the image" $at .) }}{{ end }}
{{- if and (eq $pool.delivery.type "fetch") (not (hasKey $pool.delivery.sources .)) }}{{ fail (printf "%s.delivery.sources.%s: required if delivery.type is fetch" $at .) }}{{ end }}
{{- end }}
{{- end }}
{{- range $name, $_ := .sources }}
{{- if not (has $name $pool.models) }}{{ fail (printf "%s.delivery.sources.%s: the pool does not serve this model" $at $name) }}{{ end }}
{{- end }}
{{- end }}
{{- range $name, $_ := $pool.digests }}
{{- if not (has $name $pool.models) }}{{ fail (printf "%s.digests.%s: the pool does not serve this model" $at $name) }}{{ end }}
{{- end }}
{{- if and (eq $pool.autoscaling.type "hpa") (eq (int $pool.autoscaling.minReplicas) 0) }}
{{- fail (printf "%s.autoscaling.minReplicas: only keda scales to zero" $at) }}
{{- end }}
{{- if and (eq $pool.autoscaling.type "hpa") (eq (add $pool.autoscaling.requestsPerReplica $pool.autoscaling.cpuUtilization) 0) }}
{{- fail (printf "%s.autoscaling: an HPA needs requestsPerReplica or cpuUtilization" $at) }}
{{- end }}
{{- if and (eq $pool.autoscaling.type "keda") (eq (int $pool.autoscaling.requestsPerReplica) 0) }}
{{- fail (printf "%s.autoscaling.requestsPerReplica: at least 1 with keda, which scales by this metric only" $at) }}
{{- end }}
{{- include "deepfake.validateScaling" (dict "at" $at "scaling" $pool.autoscaling) }}
{{- end }}

{{/* Fails for pools of one name, whose objects would be the same. */}}
{{- define "deepfake.model.validatePools" -}}
{{- $names := list }}
{{- range .Values.modelServer.pools }}
{{- if has .name $names }}{{ fail (printf "modelServer.pools: two have the name %s" .name) }}{{ end }}
{{- $names = append $names .name }}
{{- end }}
{{- end }}
