{{- define "deepfake.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Prefix of object names. Those of Services are DNS labels: at most 63 characters, no dot, a letter first. */}}
{{- define "deepfake.fullname" -}}
{{- $full := .Values.fullnameOverride }}
{{- if not $full }}
{{- $name := include "deepfake.name" . }}
{{- $full = ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | replace "." "-" }}
{{- end }}
{{- if not (regexMatch "^[a-z]" $full) }}
{{- fail (printf "fullnameOverride: names of Services begin with a letter, and %s does not" $full) }}
{{- end }}
{{- $full | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* Labels that select pods: (dict "root" $ "component" "gateway"). They never contain the chart's version. */}}
{{- define "deepfake.selectorLabels" -}}
app.kubernetes.io/name: {{ include "deepfake.name" .root | quote }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- with .pool }}
deepfake-serving/pool: {{ . | quote }}
{{- end }}
{{- end }}

{{/* Labels of every object: same arguments, and optionally "own": those of one kind of object, which win over
     `commonLabels`. Neither changes what selects pods. */}}
{{- define "deepfake.labels" -}}
{{- $standard := dict
      "app.kubernetes.io/version" .root.Chart.AppVersion
      "app.kubernetes.io/part-of" "deepfake-serving"
      "app.kubernetes.io/managed-by" .root.Release.Service
      "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_") }}
{{- $selecting := include "deepfake.selectorLabels" . | fromYaml }}
{{- mustMergeOverwrite $standard (.root.Values.commonLabels | default dict) (.own | default dict) $selecting | toYaml }}
{{- end }}

{{/* Image reference: the digest, else the tag, else the appVersion: (dict "root" $ "image" map). */}}
{{- define "deepfake.image" -}}
{{- $repository := .image.repository }}
{{- with .root.Values.imageRegistry | default (.root.Values.global).imageRegistry }}
{{- $repository = printf "%s/%s" (trimSuffix "/" .) (regexReplaceAll "^[^/]*[.:][^/]*/" $repository "") }}
{{- end }}
{{- if .image.digest -}}
{{ $repository }}@{{ .image.digest }}
{{- else -}}
{{ $repository }}:{{ .image.tag | default .root.Chart.AppVersion }}
{{- end }}
{{- end }}

{{- define "deepfake.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default (include "deepfake.fullname" .) }}
{{- else -}}
{{ .Values.serviceAccount.name | default "default" }}
{{- end }}
{{- end }}

{{/* A pool merged over modelServer.defaults, as YAML: (dict "root" $ "pool" map). */}}
{{- define "deepfake.pool" -}}
{{- mustMergeOverwrite (deepCopy .root.Values.modelServer.defaults) .pool | toYaml }}
{{- end }}

{{/* The number of pods: (dict "root" $ "name" "…" "scaling" map "replicas" 2). An autoscaler owns it; stating the
     current number keeps a Deployment from falling to one pod when an autoscaler is switched on. An HPA leaves a
     Deployment at 0 as it is, so at least the minimum is stated. */}}
{{- define "deepfake.replicas" -}}
{{- if eq .scaling.type "none" -}}
replicas: {{ .replicas }}
{{- else }}
{{- with lookup "apps/v1" "Deployment" .root.Release.Namespace .name -}}
replicas: {{ max .spec.replicas $.scaling.minReplicas }}
{{- end }}
{{- end }}
{{- end }}

{{/* Fails for limits that no number of pods is within: (dict "at" "gateway" "scaling" map). */}}
{{- define "deepfake.validateScaling" -}}
{{- if gt (int .scaling.minReplicas) (int .scaling.maxReplicas) }}
{{- fail (printf "%s.autoscaling: minReplicas is greater than maxReplicas" .at) }}
{{- end }}
{{- end }}

{{/* Common part of every pod spec: (dict "root" $ "values" map); the values may have extras. */}}
{{- define "deepfake.podSpec" -}}
serviceAccountName: {{ .values.serviceAccountName | default (include "deepfake.serviceAccountName" .root) | quote }}
automountServiceAccountToken: false
# A Service named deepfake-… would otherwise set variables that look like settings.
enableServiceLinks: false
{{- $secrets := list }}
{{- range concat (.root.Values.imagePullSecrets | default list) ((.root.Values.global).imagePullSecrets | default list) }}
{{- $secrets = append $secrets (kindIs "map" . | ternary . (dict "name" .)) }}
{{- end }}
{{- with $secrets | uniq }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- range $name := list "hostAliases" "dnsConfig" "resourceClaims" }}
{{- with get $.values $name }}
{{ $name }}: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- with .values.dnsPolicy }}
dnsPolicy: {{ . }}
{{- end }}
{{- with .values.runtimeClassName }}
runtimeClassName: {{ . | quote }}
{{- end }}
securityContext: {{- toYaml .root.Values.podSecurityContext | nindent 2 }}
{{- end }}

{{- define "deepfake.containerSecurityContext" -}}
{{- toYaml .Values.containerSecurityContext }}
{{- end }}

{{/* Node selection and priority: a map with the usual fields. */}}
{{- define "deepfake.placement" -}}
{{- range $name := list "nodeSelector" "affinity" "tolerations" }}
{{- with get $ $name }}
{{ $name }}: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- end }}

{{/* Node selection and spreading: (dict "root" $ "values" map "component" "…" "pool" "…" "colocated" "true"). */}}
{{- define "deepfake.scheduling" -}}
{{- $affinity := deepCopy (.values.affinity | default dict) }}
{{- if .colocated }}
{{- $toPods := $affinity.podAffinity | default dict }}
{{- $required := concat ($toPods.requiredDuringSchedulingIgnoredDuringExecution | default list) (include "deepfake.colocationTerms" . | fromYamlArray) }}
{{- $_ := set $affinity "podAffinity" (mustMergeOverwrite $toPods (dict "requiredDuringSchedulingIgnoredDuringExecution" $required)) }}
{{- end }}
{{- include "deepfake.placement" (set (pick .values "nodeSelector" "tolerations" "priorityClassName") "affinity" $affinity) }}
topologySpreadConstraints:
{{- if .values.topologySpreadConstraints }}
  {{- toYaml .values.topologySpreadConstraints | nindent 2 }}
{{- else }}
  {{- range $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "deepfake.selectorLabels" $ | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- end }}
{{- end }}

{{/* Puts all pods that share a ReadWriteOnce volume on one node. */}}
{{- define "deepfake.colocationTerms" -}}
- topologyKey: kubernetes.io/hostname
  labelSelector:
    matchLabels:
      deepfake-serving/media: {{ .root.Release.Name | quote }}
{{- end }}

{{/* Whether pods share a ReadWriteOnce volume: "true" or nothing. */}}
{{- define "deepfake.sharesRWOVolume" -}}
{{- with .Values.media }}
{{- if and (eq .type "volume") (eq .volume.accessMode "ReadWriteOnce") -}}true{{- end }}
{{- end }}
{{- end }}

{{/* Scrape annotations: (dict "root" $ "port" 8002). */}}
{{- define "deepfake.scrapeAnnotations" -}}
{{- with .root.Values.monitoring }}
{{- if and .scrapeAnnotations (not .podMonitor.enabled) }}
prometheus.io/scrape: "true"
prometheus.io/port: {{ $.port | quote }}
prometheus.io/path: /metrics
{{- end }}
{{- end }}
{{- end }}

{{/* Annotations of a server's pods: (dict "root" $ "port" 8002 "settings" text "own" map). Those of the values win, but
     over the hash of the settings, by which changed ones replace the pods. */}}
{{- define "deepfake.podAnnotations" -}}
{{- $scraping := include "deepfake.scrapeAnnotations" . | fromYaml }}
{{- mustMergeOverwrite $scraping (.own | default dict) (dict "deepfake-serving/settings" (.settings | sha256sum)) | toYaml }}
{{- end }}

{{/* Settings as a YAML file; the server that reads it validates them. */}}
{{- define "deepfake.settings" -}}
{{- toYaml . }}
{{- end }}
