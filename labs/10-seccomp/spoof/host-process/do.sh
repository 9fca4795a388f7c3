# processes of the host with the mark and the right arguments
MINIRUN_LAB={{token}}:bundle sleep 1000 &
MINIRUN_LAB={{token}}:trial sleep {{seconds}} &
