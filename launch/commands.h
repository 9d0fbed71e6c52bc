/* All sub-commands; one file each, named command_*.c. */
#ifndef KD_COMMANDS_H
#define KD_COMMANDS_H

#include "launch/cli.h"

extern const kd_command kd_command_bench, kd_command_check, kd_command_config, kd_command_evaluate,
    kd_command_export, kd_command_fit, kd_command_help, kd_command_info, kd_command_layers,
    kd_command_predict, kd_command_plan, kd_command_plot, kd_command_summary, kd_command_version;

#endif
