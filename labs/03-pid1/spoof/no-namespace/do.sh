# a process of the host's PID namespace ends by itself, and its orphans go to the host's process 1
tr -d '\n\t' <bundle/config.json | sed 's/{"type": "pid"},*//; s/,]/]/' >new.json
mv new.json bundle/config.json
