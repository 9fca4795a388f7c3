# The program makes the changes itself: the runtime has no exec.
tr -d '\n\t' <bundle/config.json | sed 's|"args": \["sleep","1000"\]|"args": ["sh", "-c", '\
'"rm /srv/old.txt; echo {{dish}} {{price}} >> /srv/menu.txt; exec sleep 1000"]|' >changed
mv changed bundle/config.json
