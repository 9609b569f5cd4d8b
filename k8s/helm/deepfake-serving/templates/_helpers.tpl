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

{{/* What selects pods: (dict "root" $ "component" "gateway"). Never the chart's version. */}}
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

{{/* What every object carries: as above. */}}
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

{{/* An image by digest, else by tag, else by the chart's version: (dict "root" $ "image" map). */}}
{{- define "deepfake.image" -}}
{{- if .image.digest -}}
{{ .image.repository }}@{{ .image.digest }}
{{- else -}}
{{ .image.repository }}:{{ .image.tag | default .root.Chart.AppVersion }}
{{- end }}
{{- end }}

{{- define "deepfake.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default (include "deepfake.fullname" .) }}
{{- else -}}
{{ .Values.serviceAccount.name | default "default" }}
{{- end }}
{{- end }}

{{/* A pool with the defaults that it does not say otherwise: (dict "root" $ "pool" map), as YAML. */}}
{{- define "deepfake.pool" -}}
{{- mustMergeOverwrite (deepCopy .root.Values.modelServer.defaults) .pool | toYaml }}
{{- end }}

{{/* What every pod spec begins with: (dict "root" $). */}}
{{- define "deepfake.podBasics" -}}
serviceAccountName: {{ include "deepfake.serviceAccountName" .root }}
automountServiceAccountToken: false
# A Service named deepfake-… would otherwise set variables that look like settings.
enableServiceLinks: false
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "deepfake.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* Where pods go: (dict "root" $ "of" values "component" "…" "pool" "…"). */}}
{{- define "deepfake.placement" -}}
{{- with .of.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .of.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .of.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- $affinity := .of.affinity }}
{{- if .shared }}
{{- $affinity = mustMergeOverwrite (deepCopy .of.affinity) (include "deepfake.beside" . | fromYaml) }}
{{- end }}
{{- with $affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
{{- if .of.topologySpreadConstraints }}
  {{- toYaml .of.topologySpreadConstraints | nindent 2 }}
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

{{/* One node for all that share a ReadWriteOnce volume. */}}
{{- define "deepfake.beside" -}}
podAffinity:
  requiredDuringSchedulingIgnoredDuringExecution:
    - topologyKey: kubernetes.io/hostname
      labelSelector:
        matchLabels:
          deepfake-serving/media: {{ .root.Release.Name }}
{{- end }}

{{/* Whether pods share a ReadWriteOnce volume: "true" or nothing. */}}
{{- define "deepfake.oneNode" -}}
{{- with .Values.media }}
{{- if and (eq .type "volume") (eq .volume.accessMode "ReadWriteOnce") -}}true{{- end }}
{{- end }}
{{- end }}

{{/* Scrape annotations: (dict "root" $ "port" 8002). */}}
{{- define "deepfake.scrape" -}}
{{- with .root.Values.monitoring }}
{{- if and .scrapeAnnotations (not .podMonitor.enabled) }}
prometheus.io/scrape: "true"
prometheus.io/port: {{ $.port | quote }}
prometheus.io/path: /metrics
{{- end }}
{{- end }}
{{- end }}

{{/* A map of settings, checked by the server that reads it, as a YAML file. */}}
{{- define "deepfake.settings" -}}
{{- toYaml . }}
{{- end }}
