# shares are a part of what others want too, and no limit on an idle machine
./minirun run -d one bundle
./minirun update --cpu-shares 205 one
./minirun exec one count
