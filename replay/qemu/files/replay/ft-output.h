/*
 * Held outputs, as the rest of the engine sees them; see ft-output.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef REPLAY_FT_OUTPUT_H
#define REPLAY_FT_OUTPUT_H

typedef struct FtOutputFigures {
    uint64_t held, held_bytes;      /* now */
    uint64_t released;              /* since the output rule came in force */
    uint32_t delay_us_p50, delay_us_p99;    /* of the last 16384 released */
} FtOutputFigures;

bool ft_output_wants_tag(void);
void ft_output_tag(uint64_t position);
bool ft_output_release_through(uint64_t position);
void ft_output_release_all(void);
void ft_output_announce(void);
void ft_output_go_live(void);
void ft_output_reset_figures(void);
void ft_output_figures(FtOutputFigures *figures);

#endif
