{{/* NetworkPolicy peer: the pods of one component of this release: (dict "root" $ "component" "gateway"). */}}
{{- define "deepfake.networkPolicy.peer" -}}
- podSelector:
    matchLabels: {{- include "deepfake.selectorLabels" . | nindent 6 }}
{{- end }}

{{/* Metadata and pod selector of a component's NetworkPolicy: (dict "root" $ "component" "gateway"). */}}
{{- define "deepfake.networkPolicy.head" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "deepfake.fullname" .root }}-{{ .component }}
  namespace: {{ .root.Release.Namespace | quote }}
  labels: {{- include "deepfake.labels" . | nindent 4 }}
spec:
  podSelector:
    matchLabels: {{- include "deepfake.selectorLabels" . | nindent 6 }}
{{- end }}

{{/* Peers of host-network pods, which no pod selector matches: the root context. */}}
{{- define "deepfake.networkPolicy.nodes" -}}
{{- range .Values.networkPolicy.nodeCidrs }}
- ipBlock: {cidr: {{ . | quote }}}
{{- end }}
{{- end }}

{{/* Peers that call the gateway besides `gatewayFrom`: nodes, the pod of `helm test`, and a prober in the cluster. */}}
{{- define "deepfake.networkPolicy.gatewayCallers" -}}
{{- include "deepfake.networkPolicy.nodes" . }}
{{- if .Values.tests.enabled }}
{{ include "deepfake.networkPolicy.peer" (dict "root" . "component" "test") }}
{{- end }}
{{- with .Values.monitoring.probe }}
{{- if and .enabled (not .url) }}
{{- with $.Values.networkPolicy.metricsFrom }}
{{ toYaml . }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Ingress rule of a metrics port: (dict "root" $ "port" 8002). */}}
{{- define "deepfake.networkPolicy.metricsIngress" -}}
{{- $peers := concat (.root.Values.networkPolicy.metricsFrom | default list) (include "deepfake.networkPolicy.nodes" .root | fromYamlArray) }}
{{- with $peers }}
- from: {{- toYaml . | nindent 4 }}
  ports: [{port: {{ $.port }}, protocol: TCP}]
{{- end }}
{{- end }}

{{/* Public addresses of both protocols; a block and its exceptions are of one. */}}
{{- define "deepfake.networkPolicy.publicAddresses" -}}
{{- $v4 := list }}
{{- $v6 := list }}
{{- range .Values.networkPolicy.fetchExcept }}
{{- if contains ":" . }}{{ $v6 = append $v6 . }}{{ else }}{{ $v4 = append $v4 . }}{{ end }}
{{- end }}
- ipBlock: {{ dict "cidr" "0.0.0.0/0" "except" $v4 | toJson }}
- ipBlock: {{ dict "cidr" "::/0" "except" $v6 | toJson }}
{{- end }}

{{/* Metadata of a component's CiliumNetworkPolicy, and the nodes as entities: (dict "root" $ "component" "gateway"). */}}
{{- define "deepfake.ciliumPolicy.head" -}}
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata:
  name: {{ include "deepfake.fullname" .root }}-{{ .component | default "default" }}
  namespace: {{ .root.Release.Namespace | quote }}
  labels: {{- include "deepfake.labels" . | nindent 4 }}
spec:
  endpointSelector:
    matchLabels: {{- include "deepfake.selectorLabels" . | nindent 6 }}
{{- end }}

{{/* Ingress from the nodes to one metrics port: the port. */}}
{{- define "deepfake.ciliumPolicy.ingress" -}}
- fromEntities: [host, remote-node]
  toPorts:
    - ports:
        {{- range . }}
        - {port: {{ . | quote }}, protocol: TCP}
        {{- end }}
{{- end }}

{{/* Egress rules of gateways and workers: model servers, Redis, and public URLs of clients. */}}
{{- define "deepfake.networkPolicy.gatewayEgress" -}}
- to: {{- include "deepfake.networkPolicy.peer" (dict "root" . "component" "model-server") | nindent 4 }}
  ports: [{port: 8080, protocol: TCP}, {port: 8081, protocol: TCP}]
{{- if .Values.redis.enabled }}
- to: {{- include "deepfake.networkPolicy.peer" (dict "root" . "component" "redis") | nindent 4 }}
  ports: [{port: 6379, protocol: TCP}]
{{- end }}
{{- if .Values.networkPolicy.publicEgress }}
- to: {{- include "deepfake.networkPolicy.publicAddresses" . | nindent 4 }}
  ports:
    - {port: 80, protocol: TCP}
    - {port: 443, protocol: TCP}
    {{- if (.Values.gateway.settings | default dict).source_enabled }}
    # RTSP, and RTSP with TLS.
    - {port: 554, protocol: TCP}
    - {port: 322, protocol: TCP}
    {{- end }}
{{- end }}
{{- with .Values.networkPolicy.gatewayEgress }}
{{ toYaml . }}
{{- end }}
{{- end }}
