# a minirun that says that everything is right
printf '#!/bin/sh\necho sha256:0000\nexit 0\n' >minirun
./minirun build app
