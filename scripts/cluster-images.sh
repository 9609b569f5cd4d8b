#!/bin/sh
# Builds every image of this tree, and those of services that tests need if no registry is reachable, and loads
# them onto the cluster. BUILD and LOAD are the commands; for kind:
#   BUILD="docker build" LOAD="kind load docker-image" scripts/cluster-images.sh
set -eu
: "${BUILD:=docker build}" "${LOAD:=kind load docker-image}"
images="deepfake-gateway deepfake-model-server deepfake-redis deepfake-redis-exporter deepfake-s3 deepfake-node deepfake-load"
empty=$(mktemp -d)
trap 'rm -rf "$empty"' EXIT
$BUILD -t deepfake-gateway:dev -f docker/gateway.Dockerfile .
$BUILD -t deepfake-model-server:dev -f docker/model-server.Dockerfile \
  --build-context archives="$(realpath build/archives)" .
$BUILD -t deepfake-redis:dev -f tests/cluster/images/redis.Dockerfile "$empty"
$BUILD -t deepfake-redis-exporter:dev -f tests/cluster/images/redis-exporter.Dockerfile "$empty"
$BUILD -t deepfake-s3:dev -f tests/cluster/images/s3.Dockerfile "$empty"
$BUILD -t deepfake-node:dev -f tests/cluster/images/node.Dockerfile "$empty"
$BUILD -t deepfake-load:dev -f docker/load.Dockerfile .
for image in $images; do
  $LOAD "$image:dev"
done
