{{/* Bytes of data: three quarters of the memory limit, as buffers and copies need the rest. Nothing without a limit. */}}
{{- define "deepfake.redis.maxMemory" -}}
{{- $units := dict "m" 0.001 "" 1 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 }}
{{- with ((.Values.redis.resources | default dict).limits | default dict).memory }}
{{- $text := ternary . (. | int64 | toString) (kindIs "string" .) }}
{{- mulf 0.75 (regexFind "^[0-9.]+" $text) (get $units (regexFind "[A-Za-z]*$" $text)) | int64 }}
{{- end }}
{{- end }}
