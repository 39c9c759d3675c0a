#!/bin/sh
# Fills what differs between accounts into a platform folder and applies it: PLACE_REGION and so on, from the
# environment of whoever runs it. `--show` prints instead of applying.
set -eu
folder=$1
: "${PLACE_BUCKET:?}" "${PLACE_REGION:?}" "${PLACE_MYSQL_HOST:?}" "${PLACE_SECRETS_ROLE:?}"
: "${PLACE_DOMAIN:?}" "${PLACE_ISSUER:?}" "${PLACE_JWKS:?}" "${PLACE_VPC_CIDR:?}" "${PLACE_ZONE:?}"
fill() {
    sed -e "s|PLACE_BUCKET|$PLACE_BUCKET|g" -e "s|PLACE_REGION|$PLACE_REGION|g" \
        -e "s|PLACE_MYSQL_HOST|$PLACE_MYSQL_HOST|g" -e "s|PLACE_SECRETS_ROLE|$PLACE_SECRETS_ROLE|g" \
        -e "s|PLACE_DOMAIN|$PLACE_DOMAIN|g" -e "s|PLACE_ISSUER|$PLACE_ISSUER|g" -e "s|PLACE_JWKS|$PLACE_JWKS|g" \
        -e "s|PLACE_VPC_CIDR|$PLACE_VPC_CIDR|g" -e "s|PLACE_ZONE|$PLACE_ZONE|g"
}
rendered=$(kubectl kustomize "$folder") # not in the pipe, which would go on without it
if [ "${2:-}" = --show ]; then
    printf '%s\n' "$rendered" | fill
else
    printf '%s\n' "$rendered" | fill | kubectl apply --server-side --field-manager=jackpot-platform -f -
fi
