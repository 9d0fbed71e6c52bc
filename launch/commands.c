#include "launch/commands.h"

/* In the order in which `kdist help` shows them. */
const kd_command *const kd_commands[] = {
    &kd_command_fit,   &kd_command_evaluate, &kd_command_predict, &kd_command_export, &kd_command_summary,
    &kd_command_plot,  &kd_command_plan,     &kd_command_check,   &kd_command_config, &kd_command_layers,
    &kd_command_bench, &kd_command_info,     &kd_command_version, &kd_command_help,   NULL,
};
