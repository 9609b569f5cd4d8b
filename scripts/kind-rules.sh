#!/bin/sh
# Makes the Prometheus of kind-addons.sh load a file of rules: kind-rules.sh FILE
set -eu
charts=https://prometheus-community.github.io/helm-charts
.venv/bin/python -c 'import sys, yaml
rules = yaml.safe_load(sys.stdin)
print(yaml.safe_dump({"serverFiles": {"alerting_rules.yml": rules}}))' <"$1" |
  helm upgrade prometheus prometheus --repo "$charts" --version 29.27.0 --namespace monitoring \
    --reuse-values --wait --values -
kubectl -n monitoring rollout restart deployment/prometheus-server
kubectl -n monitoring rollout status deployment/prometheus-server --timeout=120s
