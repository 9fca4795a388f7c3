# a process of the host with the right arguments and the mark
MINIRUN_LAB={{token}}:image ./serve --name {{name}} --quiet >/dev/null &
