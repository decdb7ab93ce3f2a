. "$NP_LIB"
t_ok 'before'
sleep 0.5
echo c >/proc/sysrq-trigger
t_done
