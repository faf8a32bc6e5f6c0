# Build every bitstream of this project:
#
#     vivado -mode batch -nojournal -source build.tcl [-tclargs STAGE...]
#
# It goes on where it was stopped. The plan is data; what is done with it is in project.tcl and
# flow.tcl.

set folder [file dirname [file normalize [info script]]]
source [file join $folder project.tcl]
source [file join $folder flow.tcl]
source [file join $folder plan.tcl]
if {[catch {fpga_rt::build $folder $plan $argv} message]} {
    puts stderr "fpga_rt: error: $message"
    exit 1
}
exit 0
