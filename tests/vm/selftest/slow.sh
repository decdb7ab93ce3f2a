# It takes longer than the others may, and says so.
# seconds: 60
. "$NP_LIB"
sleep 18
t_ok 'slow'
t_done
