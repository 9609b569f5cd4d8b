{{/* Rules come from files/rules, one group per file. Helm evaluates {{ … }}, Prometheus evaluates [[ … ]],
     and every alert gets a runbook_url. The `spec` of
     `helm template --show-only templates/monitoring/prometheusrule.yaml` is a plain rules file. */}}
{{- define "deepfake.rules" -}}
{{- $context := include "deepfake.rules.context" . | fromYaml }}
{{- $_ := set $context "Template" .Template -}}
groups:
{{- range $path, $_ := .Files.Glob "files/rules/*.yaml" }}
{{- $text := tpl ($.Files.Get $path) $context | replace "[[" "{{" | replace "]]" "}}" }}
{{- $group := fromYaml $text }}
{{- with $group.Error }}{{ fail (printf "%s: %s" $path .) }}{{ end }}
{{- range $group.rules }}
{{- if .alert }}
{{- $_ := set .annotations "runbook_url" (printf "%s/%s.md" $context.runbooks .alert) }}
{{- end }}
{{- end }}
  - {{- toYaml $group | nindent 4 | trim | printf " %s" }}
{{- end }}
{{- end }}

{{/* Variables of files/rules: first the label matchers of each component. */}}
{{- define "deepfake.rules.context" -}}
{{- $release := printf "namespace=%q,app_kubernetes_io_instance=%q" .Release.Namespace .Release.Name }}
{{- $lasting := list }}
{{- $models := list }}
{{- $startMinutes := 15 }}
{{- range .Values.modelServer.pools }}
{{- $pool := include "deepfake.pool" (dict "root" $ "pool" .) | fromYaml }}
{{- $least := ternary $pool.replicas $pool.autoscaling.minReplicas (eq $pool.autoscaling.type "none") }}
{{- $startMinutes = max $startMinutes (div (add $pool.startTimeoutSeconds $pool.deliveryTimeoutSeconds 179) 60) }}
{{- if gt (int $least) 0 }}
{{- $lasting = append $lasting $pool.name }}
{{- $models = concat $models $pool.models }}
{{- end }}
{{- end }}
{{- with .Values.monitoring }}
{{- dict
      "namespace" $.Release.Namespace
      "instance" $.Release.Name
      "release" $release
      "gateway" (printf "%s,app_kubernetes_io_component=\"gateway\"" $release)
      "modelServer" (printf "%s,app_kubernetes_io_component=\"model-server\"" $release)
      "worker" (printf "%s,app_kubernetes_io_component=\"worker\"" $release)
      "probe" (printf "%s,app_kubernetes_io_component=\"probe\"" $release)
      "probed" .probe.enabled
      "by" "namespace, app_kubernetes_io_instance"
      "lasting" $lasting
      "startMinutes" $startMinutes
      "models" (uniq $models | sortAlpha)
      "workers" (ternary $.Values.worker.replicas $.Values.worker.autoscaling.minReplicas (eq $.Values.worker.autoscaling.type "none"))
      "slo" .slo
      "availability" (include "deepfake.rules.availability" .slo)
      "latencyBucket" (include "deepfake.rules.latencyBucket" .slo)
      "alerts" .alerts
      "runbooks" (trimSuffix "/" .runbookUrl) | toYaml }}
{{- end }}
{{- end }}

{{/* A duration such as 5m, 1h or 3d in seconds. */}}
{{- define "deepfake.rules.seconds" -}}
{{- $units := dict "m" 60 "h" 3600 "d" 86400 }}
{{- mul (regexFind "^[0-9]+" .) (get $units (regexFind "[a-z]$" .)) }}
{{- end }}

{{/* The objective as a ratio. Below 93.1 % the fastest burn rate that pages would exceed every request. */}}
{{- define "deepfake.rules.availability" -}}
{{- if lt (float64 .availabilityPercent) 93.1 }}
{{- fail "monitoring.slo.availabilityPercent: at least 93.1, because the fastest alert fires at 14.4 times the error budget" }}
{{- end }}
{{- divf .availabilityPercent 100 }}
{{- end }}

{{/* The `le` of the latency objective, which must be a bucket of gateway/metrics.py. */}}
{{- define "deepfake.rules.latencyBucket" -}}
{{- $buckets := list "0.005" "0.01" "0.025" "0.05" "0.1" "0.25" "0.5" "1" "2.5" "5" "10" "30" "60" }}
{{- $seconds := toString .imageLatencySeconds }}
{{- if not (has $seconds $buckets) }}
{{- fail (printf "monitoring.slo.imageLatencySeconds: %s is not a bucket of deepfake_request_duration_seconds: %s" $seconds (join ", " $buckets)) }}
{{- end }}
{{- contains "." $seconds | ternary $seconds (printf "%s.0" $seconds) }}
{{- end }}
