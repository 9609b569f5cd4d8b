#!/bin/sh
# Creates, once, what docker/compose.yaml needs: passwords and an API key for clients.
# The key is shown only now; docs/security.md says how to create more.
set -eu
cd "$(dirname "$0")"
if [ -e ../.env ] || [ -e secrets ]; then
  echo "docker/.env or docker/compose/secrets exists already: nothing was changed" >&2
  exit 1
fi
if ! openssl version >/dev/null 2>&1; then
  echo "openssl is needed: nothing was changed" >&2
  exit 1
fi
key="dfk_admin_$(openssl rand -base64 32 | tr '+/' '-_' | tr -d '=')"
hash=$(printf %s "$key" | openssl dgst -sha256 -r | cut -d' ' -f1)
umask 077
mkdir secrets
printf -- '- id: admin\n  hash: sha256:%s\n  scopes: [admin]\n' "$hash" >secrets/keys.yaml
# The gateway's user in the container must read it; the folder keeps other users of this machine out.
chmod 0644 secrets/keys.yaml
printf 'REDIS_PASSWORD=%s\nOBJECTS_SECRET=%s\nGRAFANA_PASSWORD=%s\n' \
  "$(openssl rand -hex 32)" "$(openssl rand -hex 32)" "$(openssl rand -hex 16)" >../.env
echo "The API key for clients, which is shown only now: $key"
