#!/bin/sh
# Installs on kind what the cluster tests need besides the chart: Prometheus, prometheus-adapter with our metric,
# KEDA, and kwok, which simulates GPU nodes. Prints only the variables that the tests read.
set -eu
charts=https://prometheus-community.github.io/helm-charts
kwok=https://github.com/kubernetes-sigs/kwok/releases/download/v0.7.0

helm upgrade --install prometheus prometheus --repo "$charts" --version 29.27.0 \
  --namespace monitoring --create-namespace --wait --values - >&2 <<END
alertmanager: {enabled: false}
kube-state-metrics: {enabled: false}
prometheus-node-exporter: {enabled: false}
prometheus-pushgateway: {enabled: false}
configmapReload: {prometheus: {enabled: false}}
server:
  global: {scrape_interval: 2s, evaluation_interval: 2s}
  persistentVolume: {enabled: false}
  service: {type: NodePort, nodePort: 30090, servicePort: 9090}
END

# In the adapter's chart our rules are under `rules.custom`.
.venv/bin/python -c 'import sys, yaml
rules = yaml.safe_load(sys.stdin)["rules"]
print(yaml.safe_dump({"rules": {"default": False, "custom": rules}}))' <k8s/monitoring/prometheus-adapter.yaml |
  helm upgrade --install prometheus-adapter prometheus-adapter --repo "$charts" --version 5.3.0 \
    --namespace monitoring --wait --values - --set metricsRelistInterval=5s \
    --set prometheus.url=http://prometheus-server.monitoring.svc,prometheus.port=9090 >&2

# The name that the chart uses.
kubectl -n monitoring create service externalname prometheus \
  --external-name prometheus-server.monitoring.svc.cluster.local >&2
kubectl apply --server-side -f https://github.com/kedacore/keda/releases/download/v2.18.1/keda-2.18.1.yaml >&2
kubectl -n keda rollout status deployment/keda-operator --timeout=180s >&2
kubectl apply -f "$kwok/kwok.yaml" -f "$kwok/stage-fast.yaml" >&2
kubectl -n kube-system rollout status deployment/kwok-controller --timeout=120s >&2

node=$(kubectl get nodes -l type!=kwok -o 'jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}')
echo "PROMETHEUS_URL=http://$node:30090"
echo "LOAD_RULES=scripts/kind-rules.sh"
