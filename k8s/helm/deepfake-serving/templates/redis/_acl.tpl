{{/* What gateways and workers may do in Redis: the same as in docs/jobs.md. */}}
{{- define "deepfake.redis.acl" -}}
resetchannels ~{deepfake}:* -@all +@read +@write +@connection +@transaction +eval +evalsha +script|load +wait -@dangerous +info +slowlog|get
{{- end }}
