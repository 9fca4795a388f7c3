./release.sh -q
