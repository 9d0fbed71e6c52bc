#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/base/file.h"
#include "launch/commands.h"
#include "launch/plot/plot.h"
#include "launch/session.h"

typedef void (*writer)(FILE *out, const kd_outline *outline, bool across);

static kd_status find_writer(const char *path, writer *write) {
  const char *dot = strrchr(path, '.'), *slash = strrchr(path, '/');
  const char *suffix = dot && (!slash || dot > slash) ? dot : "";
  *write = !strcmp(suffix, ".svg")                             ? kd_plot_svg
           : !strcmp(suffix, ".dot") || !strcmp(suffix, ".gv") ? kd_plot_dot
                                                               : NULL;
  KD_CHECK(*write, KD_ERR_USAGE, "-o %s: the name must end with .svg, .dot or .gv", path);
  return KD_OK;
}

static kd_status plot(kd_session *s, const char *path, writer write) {
  long long depth;
  KD_TRY(kd_cli_int(s->cli, "depth", 1, 0, &depth));
  const char *direction = kd_cli_flag(s->cli, "direction");
  const kd_outline *outline = kd_outline_make(s->pool, s->model, s->config->spec, (int)depth, NULL);
  char *text = NULL;
  size_t bytes = 0;
  FILE *out = open_memstream(&text, &bytes);
  KD_CHECK(out, KD_ERR_RUN, "no memory for a picture");
  write(out, outline, direction && !strcmp(direction, "LR"));
  kd_status status = KD_OK;
  if (fclose(out) != 0) status = kd_fail(KD_ERR_RUN, "no memory for a picture");
  if (status == KD_OK) status = kd_file_write(path, text, bytes);
  free(text);
  return status;
}

static kd_status run_plot(kd_cli *cli) {
  kd_session session = {0};
  writer write;
  const char *path = kd_cli_flag(cli, "output");
  if (!path) path = "model.svg";
  KD_TRY(find_writer(path, &write));
  kd_status status = kd_session_open(&session, cli, KD_FOR_MODEL);
  if (status == KD_OK) status = plot(&session, path, write);
  if (status == KD_OK) printf("%s: %d layers\n", path, session.model->n_layers);
  kd_session_close(&session, status);
  return status;
}

static const kd_flag flags[] = {
    {.name = "output",
     .letter = 'o',
     .value = "FILE",
     .help = "file to write: .svg, .dot or .gv (model.svg)"},
    {.name = "depth", .value = "N", .help = "draw blocks below level N as one box"},
    {.name = "direction",
     .value = "WAY",
     .help = "from the top down (TB) or from left to right (LR)",
     .choices = "TB|LR"},
    {0},
};

const kd_command kd_command_plot = {
    .name = "plot",
    .arguments = "FILE.ini [FILE2.ini ...] [-o FILE] [--options] [section.key=value ...]",
    .help = "a picture of the model: SVG, or DOT for graphviz",
    .details =
        "Every layer is a box with name, class, shape and params, coloured by its family; blocks are "
        "frames around their layers. --depth 1 draws each block as one box, --depth 2 what stands in it, "
        "and so on. Outputs have a thick border.",
    .flags = flags,
    .takes_files = true,
    .run = run_plot,
};
