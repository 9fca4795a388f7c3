# there is nothing to read
: >secret.txt
