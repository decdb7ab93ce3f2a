/* SPDX-License-Identifier: MIT */
/* What a twin tells besides its return value. */
#ifndef NP_TWINS_H
#define NP_TWINS_H

#define NP_TWIN_FOUND 8

struct np_said {
	__u32 cpu;	 /* the CPU that it ran on */
	__u32 tid, tgid; /* of the thread that it interrupted or was called by */
	__u32 spare;
	__u32 found[NP_TWIN_FOUND];
};

#endif
