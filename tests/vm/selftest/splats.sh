. "$NP_LIB"
t_ok 'before'
echo '<4>WARNING: CPU: 0 PID: 1 at mm/nothing.c:1 nothing+0x0/0x0' >/dev/kmsg
t_done
