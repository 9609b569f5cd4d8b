{{/* Files of `gateway.ensembles` by name, as the gateway reads them. */}}
{{- define "deepfake.gateway.ensembleFiles" -}}
{{- $files := dict }}
{{- range .Values.gateway.ensembles }}
{{- include "deepfake.gateway.validateEnsemble" (dict "root" $ "ensemble" .) }}
{{- $_ := set $files (printf "ensemble-%s.yaml" .name) (printf "%s\n" (toYaml .)) }}
{{- end }}
{{- toYaml $files }}
{{- end }}

{{/* Fails for an ensemble whose members no pool serves: (dict "root" $ "ensemble" map). */}}
{{- define "deepfake.gateway.validateEnsemble" -}}
{{- $served := list }}
{{- range .root.Values.modelServer.pools }}
{{- $pool := include "deepfake.pool" (dict "root" $.root "pool" .) | fromYaml }}
{{- if not $pool.shadow.enabled }}{{ $served = concat $served $pool.models }}{{ end }}
{{- end }}
{{- $at := printf "gateway.ensembles[name=%s]" .ensemble.name }}
{{- range .ensemble.members }}
{{- if not (has .model $served) }}{{ fail (printf "%s.members: no pool serves %s" $at .model) }}{{ end }}
{{- end }}
{{- with .ensemble.faces }}
{{- if not (has . $served) }}{{ fail (printf "%s.faces: no pool serves %s" $at .) }}{{ end }}
{{- end }}
{{- end }}
