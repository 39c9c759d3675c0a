#!/bin/sh
# Applies one environment's services to the cluster that kubectl points at, and waits until they answer. A second run
# changes nothing. Whoever may change rights applies foundation/ too; a release may not, and leaves it alone.
set -eu
environment=$1
overlay=$(dirname "$0")/overlays/$environment
[ -d "$overlay" ] || { echo "no environment '$environment'; there are: $(cd "$(dirname "$0")/overlays" && echo */ | sed 's|components/ ||; s|/||g')" >&2; exit 2; }
digest=$(sed -n 's/^ *digest: sha256://p' "$overlay/images/kustomization.yaml" | head -1)
case $digest in
    0000*) echo "$overlay/images names no image yet: make images ENV=$environment PIPELINE=sha256:… SERVING=sha256:…" >&2; exit 2 ;;
esac
short=$(printf %s "$digest" | cut -c1-12)

apply() {
    kubectl apply --server-side --field-manager=jackpot-release -k "$1"
}
# A suspended CronJob is a job's template; a job is named by the image, so that it runs once per image. One that failed
# makes room for another try.
once() {
    failed=$(kubectl -n jackpot get job "$1-$short" -o 'jsonpath={.status.conditions[?(@.type=="Failed")].status}' 2>/dev/null || true)
    [ "$failed" != True ] || kubectl -n jackpot delete job "$1-$short"
    kubectl -n jackpot get job "$1-$short" >/dev/null 2>&1 || kubectl -n jackpot create job "$1-$short" --from="cronjob/$1"
    kubectl -n jackpot wait --for=condition=complete --timeout=900s "job/$1-$short"
}

if kubectl auth can-i create roles --namespace jackpot --quiet; then
    apply "$overlay/foundation"
    if grep -qsx IDENTITY=irsa "$overlay/services/place.env"; then
        accounts=$(cd "$(dirname "$0")/.." && python3 -m manifests.identities "$environment")
        printf '%s\n' "$accounts" | kubectl apply --server-side --field-manager=jackpot-identities -f -
    fi
else
    echo "foundation/ left as it is: not allowed to change rights"
fi
apply "$overlay/services"
[ "$environment" = local ] || once mlflow-upgrade
for deployment in $(kubectl -n jackpot get deployments -l app.kubernetes.io/part-of=jackpot-optimiser -o name); do
    kubectl -n jackpot rollout status --timeout=600s "$deployment"
done
once schedules
echo "Next: jackpot doctor --environment $environment"
