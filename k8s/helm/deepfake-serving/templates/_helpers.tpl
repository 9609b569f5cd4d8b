{{- define "deepfake.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "deepfake.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{- $name := include "deepfake.name" . }}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* Labels that select pods: (dict "root" $ "component" "gateway"). They never contain the chart's version. */}}
{{- define "deepfake.selectorLabels" -}}
app.kubernetes.io/name: {{ include "deepfake.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- with .pool }}
deepfake-serving/pool: {{ . }}
{{- end }}
{{- end }}

{{/* Labels of every object: same arguments. */}}
{{- define "deepfake.labels" -}}
{{ include "deepfake.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: deepfake-serving
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Image reference: the digest, else the tag, else the appVersion: (dict "root" $ "image" map). */}}
{{- define "deepfake.image" -}}
{{- $repository := .image.repository }}
{{- with .root.Values.imageRegistry }}
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

{{/* The number of pods: (dict "root" $ "name" "…" "type" "hpa" "replicas" 2). An autoscaler owns it; stating the
     current number keeps a Deployment from falling to one pod when an autoscaler is switched on. */}}
{{- define "deepfake.replicas" -}}
{{- if eq .type "none" -}}
replicas: {{ .replicas }}
{{- else }}
{{- with lookup "apps/v1" "Deployment" .root.Release.Namespace .name -}}
replicas: {{ .spec.replicas }}
{{- end }}
{{- end }}
{{- end }}

{{/* Common part of every pod spec: (dict "root" $ "values" map); the values may have extras. */}}
{{- define "deepfake.podSpec" -}}
serviceAccountName: {{ .values.serviceAccountName | default (include "deepfake.serviceAccountName" .root) }}
automountServiceAccountToken: false
# A Service named deepfake-… would otherwise set variables that look like settings.
enableServiceLinks: false
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- range $name := list "hostAliases" "dnsConfig" "resourceClaims" }}
{{- with get $.values $name }}
{{ $name }}: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- with .values.dnsPolicy }}
dnsPolicy: {{ . }}
{{- end }}
securityContext: {{- toYaml .root.Values.podSecurityContext | nindent 2 }}
{{- end }}

{{- define "deepfake.containerSecurityContext" -}}
{{- toYaml .Values.containerSecurityContext }}
{{- end }}

{{/* Node selection and spreading: (dict "root" $ "values" map "component" "…" "pool" "…" "colocated" "true"). */}}
{{- define "deepfake.scheduling" -}}
{{- with .values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- $affinity := .values.affinity }}
{{- if .colocated }}
{{- $affinity = mustMergeOverwrite (deepCopy .values.affinity) (include "deepfake.colocationAffinity" . | fromYaml) }}
{{- end }}
{{- with $affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
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
{{- define "deepfake.colocationAffinity" -}}
podAffinity:
  requiredDuringSchedulingIgnoredDuringExecution:
    - topologyKey: kubernetes.io/hostname
      labelSelector:
        matchLabels:
          deepfake-serving/media: {{ .root.Release.Name }}
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

{{/* Settings as a YAML file; the server that reads it validates them. */}}
{{- define "deepfake.settings" -}}
{{- toYaml . }}
{{- end }}
